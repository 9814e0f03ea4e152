package command_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestConnection has how a remote command reaches its machine and logs in there.
func TestConnection(t *testing.T) {
	session := startPlugin(t)
	key, other := newKey(t, "ed25519"), newKey(t, "ed25519")
	authorized := []sshKey{key}
	server := startSSHD(t, sshdOptions{authorized: authorized, hostKeys: []string{"rsa"}})
	passwords := startSSHD(t, sshdOptions{authorized: authorized, passwords: "password"})
	interactive := startSSHD(t, sshdOptions{authorized: authorized, passwords: "keyboard-interactive"})
	agent, otherAgent := startAgent(t, other, key), startAgent(t, other)

	// connect runs a command over the connection, and wants an error with the texts, if there are any.
	connect := func(title string, connection args, failure ...string) {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r := newItem(t, session, "remote")
			_, err := r.up(args{"create": "cat >/dev/null; echo in", "connection": connection, "stdin": stdinSecret})
			if len(failure) > 0 {
				fails(t, err, failure...)
				return
			}
			must(t, err)
			equal(t, "stdout", r.output("stdout"), "in")
		})
	}
	const refused = "ssh: handshake failed: ssh: unable to authenticate, attempted methods "

	connect("a private key logs in", server.at(args{"privateKey": key.private}))
	connect("a private key with a passphrase logs in",
		server.at(args{"privateKey": key.encrypted, "privateKeyPassword": passphrase}))
	connect("a private key without its passphrase is an error",
		server.at(args{"privateKey": key.encrypted}), "ssh: this private key is passphrase protected")
	connect("a wrong passphrase is an error",
		server.at(args{"privateKey": key.encrypted, "privateKeyPassword": "wrong"}), "decryption password incorrect")
	connect("a text that is no private key is an error",
		server.at(args{"privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + password}), "ssh: no key found")
	connect("another private key is refused",
		server.at(args{"privateKey": other.private}), refused+"[none publickey], no supported methods remain")
	connect("without credentials nothing but none is tried", server.at(nil), refused+"[none]")

	connect("a password logs in", passwords.at(args{"password": password}))
	connect("a password answers a keyboard-interactive login", interactive.at(args{"password": password}))
	connect("a wrong password is refused", passwords.at(args{"password": "wrong"}), refused+"[none password]")
	connect("a private key that is refused leaves the password",
		passwords.at(args{"privateKey": other.private, "password": password}))
	connect("the private key is tried before the password",
		passwords.at(args{"privateKey": key.private, "password": "wrong"}))

	connect("the agent's keys log in", server.at(args{"agentSocketPath": agent}))
	connect("an agent without the right key is refused", server.at(args{"agentSocketPath": otherAgent}),
		refused+"[none publickey]")
	connect("with a private key the agent's keys are not tried",
		server.at(args{"privateKey": other.private, "agentSocketPath": agent}), refused+"[none publickey]")
	connect("an agent that is not there is an error, even with a private key",
		server.at(args{"privateKey": key.private, "agentSocketPath": "/no/agent"}),
		"dial unix /no/agent: connect: no such file or directory")

	for _, typ := range []string{"ssh-ed25519", "ecdsa-sha2-nistp256"} {
		connect("the host's "+typ+" key is accepted",
			server.at(args{"privateKey": key.private, "hostKey": server.hostKeys[typ]}))
	}
	connect("another host key is refused before any login",
		passwords.at(args{"password": password, "hostKey": other.public}),
		"after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch")
	connect("a host key that does not parse is an error",
		server.at(args{"privateKey": key.private, "hostKey": "nonsense"}),
		"failed to parse host key: ssh: no key found")
	connect("an RSA host key cannot be checked with a server that has no SHA-1",
		server.at(args{"privateKey": key.private, "hostKey": server.hostKeys["ssh-rsa"]}),
		"ssh: no common algorithm for host key")

	bastionKey := newKey(t, "ecdsa")
	bastion := startSSHD(t, sshdOptions{authorized: []sshKey{bastionKey}})
	through := func(proxy, target args) args {
		return server.at(args{"privateKey": key.private}).with(target).with(args{
			"proxy": bastion.at(args{"privateKey": bastionKey.private}).with(proxy),
		})
	}
	connect("the bastion has a key and a host key of its own", through(
		args{"hostKey": bastion.hostKeys["ssh-ed25519"]}, args{"hostKey": server.hostKeys["ssh-ed25519"]}))
	connect("another host key of the bastion is refused",
		through(args{"hostKey": server.hostKeys["ssh-ed25519"]}, nil),
		"proxy: after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch")
	connect("another host key is refused behind the bastion",
		through(nil, args{"hostKey": bastion.hostKeys["ssh-ed25519"]}), "proxy: after 0 failed attempts: ",
		"ssh: host key mismatch")
	connect("the machine's key does not open the bastion", through(args{"privateKey": key.private}, nil),
		"proxy: after 0 failed attempts: "+refused+"[none publickey]")
	connect("a bastion that is gone is an error", through(args{"port": reservePort(t)}, nil),
		"proxy: after 0 failed attempts: dial tcp 127.0.0.1:", "connection refused")
	connect("a machine that is gone behind the bastion is an error", through(nil, args{"port": reservePort(t)}),
		"proxy: after 0 failed attempts: ssh: rejected: connect failed (Connection refused)")
	connect("the bastion's settings are checked first",
		through(args{"hostKey": "nonsense"}, nil), "proxy: failed to parse host key")

	t.Run("the way leads through the bastion, not beside it", func(t *testing.T) {
		t.Parallel()
		bastion := startSSHD(t, sshdOptions{authorized: authorized})
		r := newItem(t, session, "remote")
		r.does("create", args{"create": "true", "connection": server.at(args{"privateKey": key.private}).
			with(args{"proxy": bastion.at(args{"privateKey": key.private})})})
		equal(t, "logins at the bastion", strings.Count(bastion.log.String(), "Accepted publickey"), 1)
	})

	for limit, want := range map[int]string{0: "", 2: "Dial 1/2 failed: retrying, Dial 2/2 failed: retrying"} {
		t.Run(fmt.Sprintf("dialErrorLimit %d is followed by an error after %d attempts", limit, limit+1),
			func(t *testing.T) {
				t.Parallel()
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				must(t, err)
				defer func() { _ = listener.Close() }()
				var attempts atomic.Int32
				go func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						attempts.Add(1)
						_ = conn.Close()
					}
				}()
				r := newItem(t, session, "remote")
				_, err = r.up(args{"create": "true", "connection": args{"host": "127.0.0.1", "dialErrorLimit": limit,
					"port": listener.Addr().(*net.TCPAddr).Port}})
				fails(t, err, fmt.Sprintf("after %d failed attempts: ssh: handshake failed: ", limit))
				equal(t, "attempts", int(attempts.Load()), limit+1)
				log := strings.ReplaceAll(strings.Join(r.plugin.log.of(r.urn), ", "), "status info: ", "")
				equal(t, "log", log, want)
			})
	}

	t.Run("dialErrorLimit -1 waits until the machine is there", func(t *testing.T) {
		t.Parallel()
		port := reservePort(t)
		r := newItem(t, session, "remote")
		done := make(chan error)
		go func() {
			_, err := r.up(args{"create": "echo in", "connection": args{
				"host": "127.0.0.1", "port": port, "dialErrorLimit": -1, "privateKey": key.private,
			}})
			done <- err
		}()
		logs(t, r, "status info: Dial 2/inf failed: retrying")
		startSSHD(t, sshdOptions{authorized: authorized, port: port})
		must(t, <-done)
		equal(t, "stdout", r.output("stdout"), "in")
	})

	t.Run("perDialTimeout ends an attempt that gets no answer", func(t *testing.T) {
		t.Parallel()
		port, _ := blackHole(t)
		r := newItem(t, session, "remote")
		_, err := r.up(args{"create": "true", "connection": args{
			"host": "127.0.0.1", "port": port, "dialErrorLimit": 0, "perDialTimeout": 1,
		}})
		fails(t, err, "after 0 failed attempts: dial tcp 127.0.0.1:", "i/o timeout")
	})

	t.Run("perDialTimeout 0 is no timeout", func(t *testing.T) {
		t.Parallel()
		port, end := blackHole(t)
		r := newItem(t, session, "remote")
		done := make(chan error)
		go func() {
			_, err := r.up(args{"create": "true", "connection": args{
				"host": "127.0.0.1", "port": port, "dialErrorLimit": 0, "perDialTimeout": 0,
			}})
			done <- err
		}()
		select {
		case err := <-done:
			t.Errorf("it ended with %v", err)
		case <-time.After(2 * time.Second):
			end()
			fails(t, <-done, "connection refused")
		}
	})
}

// TestTheAgentOfTheEnvironmentLogsIn has a plugin of its own, with another environment.
func TestTheAgentOfTheEnvironmentLogsIn(t *testing.T) {
	key := newKey(t, "ed25519")
	server := startSSHD(t, sshdOptions{authorized: []sshKey{key}})
	t.Setenv("SSH_AUTH_SOCK", startAgent(t, key))
	r := newItem(t, startPlugin(t), "remote")
	r.does("create", args{"create": "echo in", "connection": server.at(nil)})
	equal(t, "stdout", r.output("stdout"), "in")
	_, err := r.up(args{"create": "echo again", "connection": server.at(args{
		"agentSocketPath": filepath.Join(t.TempDir(), "none"),
	})})
	fails(t, err, "dial unix ")
}

// blackHole is a port whose queue of connections is full: an attempt to connect gets no answer,
// and a refusal after end.
func blackHole(t *testing.T) (port int, end func()) {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, err)
	must(t, syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(socket, 0))
	address, err := syscall.Getsockname(socket)
	must(t, err)
	port = address.(*syscall.SockaddrInet4).Port
	for {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+itoa(port), 200*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	closed := false
	end = func() {
		if !closed {
			closed = true
			_ = syscall.Close(socket)
		}
	}
	t.Cleanup(end)
	return port, end
}

func itoa(number int) string { return strconv.Itoa(number) }
