package remote

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"

	"example.local/toolchain/command/lifecycle"
)

// run runs a command, if there is one, over a connection of its own, and stores its outputs. Once
// started, it is left to finish even if ctx ends, so that no machine is left half changed.
func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()

	const fix = "the machine's SSH server must accept the name (AcceptEnv); or set it in the command itself"
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			p.GetLogger(ctx).Errorf("Unable to set '%s': %s", name, fix)
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	for _, previous := range s.Previous(&s.Inputs.Inputs) {
		if err := session.Setenv(previous.Name, previous.Value); err != nil {
			p.GetLogger(ctx).Warningf("Unable to set '%s': %s", previous.Name, fix)
		}
	}

	capture := lifecycle.NewCapture(ctx, lifecycle.LoggingOf(s.Logging))
	session.Stdout, session.Stderr = capture.Stdout, capture.Stderr
	if s.Stdin != nil && *s.Stdin != "" {
		session.Stdin = strings.NewReader(*s.Stdin)
	}
	outputs, err := capture.End(*command, session.Run(*command))
	if err != nil {
		return err
	}
	s.Outputs = outputs
	return nil
}
