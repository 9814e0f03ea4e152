package command_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// password is root's on the servers that let passwords in; passwordHash is its crypt(3) hash.
const (
	password     = "correct-horse-battery"
	passwordHash = "$6$standin$ANR1.JZ03nptUraI1QhvZZkB88IweSJoIP4MzgLqeuUgt25z4IkYTGaclDLYKsE4P/SvqeeJW/iDZL0ALYNzS/"
	passphrase   = "open-sesame-passphrase"
)

// sshd is an OpenSSH server of a test's own, on a loopback port.
type sshd struct {
	port     int
	hostKeys map[string]string // authorized_keys lines by key type
	log      *buffer
}

// sshdOptions is what a server lets in.
type sshdOptions struct {
	port       int // default: any
	authorized []sshKey
	passwords  string   // "", "password" or "keyboard-interactive"
	hostKeys   []string // kinds besides ed25519 and ecdsa
	config     string   // further lines of sshd_config
}

// startSSHD starts a server that ends with the test. It reads no file of the machine's own server;
// where passwords count, it sees its own /etc/shadow and /etc/pam.d/sshd in a mount namespace.
func startSSHD(t *testing.T, options sshdOptions) *sshd {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Fatal("these tests need OpenSSH's server: apt-get install openssh-server")
	}
	if os.Getuid() != 0 {
		t.Fatal("these tests log in as root and start sshd: run them as root")
	}
	must(t, os.MkdirAll("/run/sshd", 0o755)) // as the package's own service does
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	server := &sshd{port: options.port, hostKeys: map[string]string{}, log: &buffer{}}
	if server.port == 0 {
		server.port = reservePort(t)
	}

	var authorized strings.Builder
	for _, key := range options.authorized {
		authorized.WriteString(key.public)
	}
	config := fmt.Sprintf("ListenAddress 127.0.0.1:%d\nAuthorizedKeysFile %s\nPidFile none\nLogLevel VERBOSE\n"+
		"StrictModes no\nPermitRootLogin yes\nMaxStartups 100\nPrintMotd no\nUseDNS no\n%s\n",
		server.port, write("authorized", authorized.String()), options.config)
	for _, kind := range append([]string{"ed25519", "ecdsa"}, options.hostKeys...) {
		host := newKey(t, kind)
		server.hostKeys[host.typ] = host.public
		config += "HostKey " + write("host-"+host.typ, host.private) + "\n"
	}
	command := []string{path, "-D", "-e", "-f"}
	if options.passwords == "" {
		config += "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
	} else {
		config += fmt.Sprintf("UsePAM yes\nPasswordAuthentication %s\nKbdInteractiveAuthentication %s\n",
			yes(options.passwords == "password"), yes(options.passwords == "keyboard-interactive"))
		shadow := write("shadow", "root:"+passwordHash+":19000:0:99999:7:::\n")
		pam := write("pam", "auth required pam_unix.so\naccount required pam_permit.so\n"+
			"session required pam_permit.so\n")
		command = append([]string{"unshare", "--mount", "sh", "-ec",
			`mount --bind "$1" /etc/shadow; mount --bind "$2" /etc/pam.d/sshd; shift 2; exec "$@"`,
			"sh", shadow, pam}, command...)
	}
	start(t, server.log, append(command, write("config", config))...)
	waitFor(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, server.log)
	return server
}

func yes(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}

// at is a connection to the server, without retries, with further arguments.
func (s *sshd) at(more args) args {
	return args{"host": "127.0.0.1", "port": s.port, "dialErrorLimit": 0}.with(more)
}

// startAgent starts an ssh-agent that holds the keys, and returns its socket.
func startAgent(t *testing.T, keys ...sshKey) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	log := &buffer{}
	start(t, log, "ssh-agent", "-D", "-a", socket)
	var conn net.Conn
	waitFor(t, func() (ready bool) {
		var err error
		conn, err = net.Dial("unix", socket)
		return err == nil
	}, log)
	defer func() { _ = conn.Close() }()
	for _, key := range keys {
		must(t, agent.NewClient(conn).Add(agent.AddedKey{PrivateKey: key.signer}))
	}
	return socket
}

// start starts a program that ends with the test.
func start(t *testing.T, log *buffer, command ...string) {
	t.Helper()
	program := exec.Command(command[0], command[1:]...)
	program.Stdout, program.Stderr = log, log
	program.WaitDelay = time.Second // a server's sessions outlive it
	must(t, program.Start())
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait()
	})
}

func waitFor(t *testing.T, ready func() bool, log *buffer) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready after 10 s: %s", log)
		}
	}
}

// reservePort returns a port of 127.0.0.1 that refuses connections. Until the test ends, the system
// gives it to nobody who asks for any port, while a server that asks for it by number (with
// SO_REUSEADDR, as sshd does) can listen there: a socket is bound to it and never listens.
func reservePort(t *testing.T) int {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = syscall.Close(socket) })
	must(t, syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	must(t, syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	address, err := syscall.Getsockname(socket)
	must(t, err)
	return address.(*syscall.SockaddrInet4).Port
}

// TestReservePort is here because tests that run side by side were once given the same port.
func TestReservePort(t *testing.T) {
	port := reservePort(t)
	_, err := net.Dial("tcp", "127.0.0.1:"+itoa(port))
	fails(t, err, "connection refused")
	another, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	defer func() { _ = syscall.Close(another) }()
	// Without SO_REUSEADDR, as for a socket that asks for any port.
	fails(t, syscall.Bind(another, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
		"address already in use")
	startSSHD(t, sshdOptions{port: port})
}

// sshKey is an SSH key pair as its files have it.
type sshKey struct {
	typ, public, private, encrypted string // encrypted has the passphrase
	signer                          any
}

func newKey(t *testing.T, kind string) sshKey {
	t.Helper()
	var signer any
	var err error
	switch kind {
	case "ed25519":
		_, private, generateErr := ed25519.GenerateKey(rand.Reader)
		signer, err = &private, generateErr
	case "ecdsa":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	must(t, err)
	plain, err := ssh.MarshalPrivateKey(signer, "")
	must(t, err)
	encrypted, err := ssh.MarshalPrivateKeyWithPassphrase(signer, "", []byte(passphrase))
	must(t, err)
	parsed, err := ssh.NewSignerFromKey(signer)
	must(t, err)
	return sshKey{
		typ: parsed.PublicKey().Type(), public: string(ssh.MarshalAuthorizedKey(parsed.PublicKey())),
		private: string(pem.EncodeToMemory(plain)), encrypted: string(pem.EncodeToMemory(encrypted)),
		signer: signer,
	}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(piece []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(piece)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
