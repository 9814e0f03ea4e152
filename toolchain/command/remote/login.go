package remote

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func (e *endpoint) address() string {
	return net.JoinHostPort(*e.Host, strconv.Itoa(int(*e.Port)))
}

// config is how to log in: with the private key, else the password, else the agent's keys. SSH
// tries each method once, and an agent's key is the same method as a private key: with a private
// key the agent's are not tried. done ends the connection to the agent.
func (e *endpoint) config() (config *ssh.ClientConfig, done func(), err error) {
	config = &ssh.ClientConfig{
		User:            *e.User,
		Timeout:         time.Duration(*e.PerDialTimeout) * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // documented: only `hostKey` is checked
	}
	done = func() {}

	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	if socket := e.agentSocket(); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, nil, err
		}
		done = func() { _ = conn.Close() }
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, done, nil
}

func (e *endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

// answer gives the password to each question of a keyboard-interactive login.
func (e *endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = *e.Password
	}
	return answers, nil
}

func (e *endpoint) agentSocket() string {
	if e.AgentSocketPath != nil {
		return *e.AgentSocketPath
	}
	return os.Getenv("SSH_AUTH_SOCK")
}
