package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
)

// Capture takes a running command's output: each stream apart for the outputs, both together for
// an error, and line by line for the log.
type Capture struct {
	Stdout, Stderr io.Writer

	mu             sync.Mutex
	stdout, stderr stream
	both           bytes.Buffer
}

// stream is one of the two outputs; line holds what has no newline yet.
type stream struct {
	capture *Capture
	log     func(line string)
	all     bytes.Buffer
	line    []byte
}

// NewCapture starts a capture that logs as asked, to the status column of the resource that ctx
// belongs to.
func NewCapture(ctx context.Context, logging Logging) *Capture {
	c := &Capture{}
	for stream, logged := range map[*stream]bool{
		&c.stdout: logging.stdout(),
		&c.stderr: logging.stderr(),
	} {
		stream.capture = c
		if logged {
			stream.log = p.GetLogger(ctx).InfoStatus
		}
	}
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	return c
}

// Write keeps and logs one piece of a stream.
func (s *stream) Write(piece []byte) (int, error) {
	s.capture.mu.Lock()
	defer s.capture.mu.Unlock()
	s.all.Write(piece)
	s.capture.both.Write(piece)
	if s.log != nil {
		s.line = append(s.line, piece...)
		for {
			line, rest, complete := bytes.Cut(s.line, []byte("\n"))
			if !complete {
				break
			}
			s.log(strings.TrimSuffix(string(line), "\r"))
			s.line = rest
		}
	}
	return len(piece), nil
}

// flush logs what came after the last newline.
func (s *stream) flush() {
	if len(s.line) > 0 {
		s.log(string(s.line))
	}
}

// End closes the capture of a command that ended with err and returns its outputs. The error of a
// failed command carries how it ended, the command, and all of its output: a secret in any of them
// is shown, which is why secrets belong in `stdin`.
func (c *Capture) End(command string, err error) (Outputs, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stdout.flush()
	c.stderr.flush()
	if err != nil {
		return Outputs{}, fmt.Errorf("%w: running %q:\n%s", err, command, c.both.String())
	}
	return Outputs{
		Stdout: strings.TrimSuffix(c.stdout.all.String(), "\n"),
		Stderr: strings.TrimSuffix(c.stderr.all.String(), "\n"),
	}, nil
}
