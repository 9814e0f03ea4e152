package local

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.local/toolchain/command/lifecycle"
)

// run runs a command, if there is one, and stores its outputs. Its environment is this process's,
// then `environment`, then the output of the run before. When ctx ends, it is killed.
func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	dir, err := s.dir()
	if err != nil {
		return err
	}
	argv := []string{"/bin/sh", "-c"}
	if s.Interpreter != nil && len(*s.Interpreter) > 0 {
		argv = *s.Interpreter
	}
	capture := lifecycle.NewCapture(ctx, lifecycle.LoggingOf(s.Logging))

	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], *command)...)
	cmd.Dir = dir
	cmd.Env = s.environ()
	cmd.Stdout, cmd.Stderr = capture.Stdout, capture.Stderr
	if s.Stdin != nil && *s.Stdin != "" {
		cmd.Stdin = strings.NewReader(*s.Stdin)
	}
	outputs, err := capture.End(*command, cmd.Run())
	if err != nil {
		return err
	}
	s.Outputs.Outputs = outputs
	return s.collect(dir)
}

func (s *State) dir() (string, error) {
	if s.Dir != nil {
		return *s.Dir, nil
	}
	return os.Getwd()
}

func (s *State) environ() []string {
	environ := os.Environ()
	if s.Environment != nil {
		for name, value := range *s.Environment {
			environ = append(environ, name+"="+value)
		}
	}
	for _, previous := range s.Outputs.Previous(&s.Inputs.Inputs) {
		environ = append(environ, previous.Name+"="+previous.Value)
	}
	return environ
}

// collect stores the files that the path inputs ask for.
func (s *State) collect(dir string) error {
	if s.AssetPaths != nil {
		assets, err := glob(dir, *s.AssetPaths)
		if err != nil {
			return err
		}
		s.Assets = &assets
	}
	if s.ArchivePaths != nil {
		files, err := glob(dir, *s.ArchivePaths)
		if err != nil {
			return err
		}
		content := map[string]any{}
		for path, file := range files {
			content[path] = file.Asset
		}
		if s.Archive, err = resource.NewAssetArchive(content); err != nil {
			return err
		}
	}
	return nil
}
