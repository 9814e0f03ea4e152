package command_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// TestLocalCommand has what holds for commands on this machine only.
func TestLocalCommand(t *testing.T) {
	session := startPlugin(t)
	claim := func(title string, test func(t *testing.T, r *item)) {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			test(t, newItem(t, session, "local"))
		})
	}

	claim("the error of a failed command begins with its exit status", func(t *testing.T, r *item) {
		_, err := r.up(args{"create": "exit 3"})
		fails(t, err, "exit status 3: running \"exit 3\":\n")
	})

	claim("a command need not read its stdin", func(t *testing.T, r *item) {
		r.does("create", args{"create": "echo done", "stdin": strings.Repeat("x", 1<<22)})
		equal(t, "stdout", r.output("stdout"), "done")
	})

	claim("the command is the last argument of the interpreter, /bin/sh -c by default", func(t *testing.T, r *item) {
		r.does("create", args{"create": "echo $0"})
		equal(t, "default", r.output("stdout"), "/bin/sh")
		r.does("update", args{"create": "echo $0", "interpreter": []any{}})
		equal(t, "empty", r.output("stdout"), "/bin/sh")
		r.does("update", args{"create": "$0", "interpreter": []any{"printf", "%s|", "a b"}})
		equal(t, "printf", r.output("stdout"), "a b|$0|")
	})

	claim("a missing interpreter is an error that names it", func(t *testing.T, r *item) {
		_, err := r.up(args{"create": "x", "interpreter": []any{"no-such-program"}})
		fails(t, err, `exec: "no-such-program": executable file not found in $PATH: running "x":`)
	})

	claim("dir is where the command runs, the plugin's own folder by default", func(t *testing.T, r *item) {
		dir := t.TempDir()
		r.does("create", args{"create": "pwd", "dir": dir})
		equal(t, "dir", r.output("stdout"), dir)
		r.does("update", args{"create": "pwd"})
		if info, err := os.Stat(r.output("stdout")); err != nil || !info.IsDir() || r.output("stdout") == dir {
			t.Errorf("got the default %q", r.output("stdout"))
		}
	})

	claim("a missing dir is an error", func(t *testing.T, r *item) {
		_, err := r.up(args{"create": "true", "dir": "/no/such/dir"})
		fails(t, err, "/no/such/dir: no such file or directory")
	})

	claim("assetPaths returns files by glob, relative to dir, later rules over earlier ones",
		func(t *testing.T, r *item) {
			dir := t.TempDir()
			r.does("create", filesProgram(dir).with(args{
				"assetPaths": []any{"assets/**", "src/**.js", "!**secret.*"},
			}))
			assets := r.stored["assets"].ObjectValue()
			var paths []string
			for path, asset := range assets {
				paths = append(paths, string(path))
				equal(t, "asset", asset.AssetValue().Path, filepath.Join(dir, string(path)))
			}
			slices.Sort(paths)
			equal(t, "paths", strings.Join(paths, " "), "assets/logos/logo.svg src/index.js")
			equal(t, "has an archive", r.stored.HasValue("archive"), false)
		})

	claim("archivePaths returns files as one archive, * stops at /", func(t *testing.T, r *item) {
		r.does("create", filesProgram(t.TempDir()).with(args{"archivePaths": []any{"src/*", "assets/*"}}))
		content, ok := r.stored["archive"].ArchiveValue().GetAssets()
		if !ok || len(content) != 2 || content["src/index.js"] == nil || content["src/secret.js"] == nil {
			t.Errorf("got the archive %v", content)
		}
		equal(t, "has assets", r.stored.HasValue("assets"), false)
	})

	claim("a glob that does not parse is an error", func(t *testing.T, r *item) {
		_, err := r.up(args{"create": "true", "dir": t.TempDir(), "assetPaths": []any{"[a"}})
		if err == nil {
			t.Error("got no error")
		}
	})

	claim("refresh runs nothing and changes nothing", func(t *testing.T, r *item) {
		file := filepath.Join(t.TempDir(), "file")
		r.does("create", args{"create": "echo run >>" + file})
		refreshed, err := r.plugin.Read(context.Background(), plugin.ReadRequest{
			URN: r.urn, Name: r.urn.Name(), Type: r.typ, ID: r.id, Inputs: r.inputs, State: r.stored,
		})
		must(t, err)
		equal(t, "same state", refreshed.Outputs.DeepEquals(r.stored), true)
		equal(t, "same inputs", refreshed.Inputs.DeepEquals(r.inputs), true)
		equal(t, "runs", read(t, file), "run\n")
	})

	claim("customTimeouts kills the command", func(t *testing.T, r *item) {
		r.timeout = 1
		_, err := r.up(args{"create": "echo begun; exec sleep 30"})
		fails(t, err, "signal: killed: running ", "\nbegun\n")
	})

	t.Run("a cancelled up kills the command", func(t *testing.T) {
		t.Parallel()
		r := newItem(t, startPlugin(t), "local")
		done := make(chan error)
		go func() {
			_, err := r.up(args{"create": "echo begun; exec sleep 30"})
			done <- err
		}()
		logs(t, r, "status info: begun")
		must(t, r.plugin.SignalCancellation(context.Background()))
		select {
		case err := <-done:
			fails(t, err, "signal: killed: running ", "\nbegun\n")
		case <-time.After(5 * time.Second):
			t.Error("it still runs")
		}
	})
}

// filesProgram makes the files of the documentation's example.
func filesProgram(dir string) args {
	return args{
		"dir":    dir,
		"create": "mkdir -p assets/logos src; touch assets/logos/logo.svg src/index.js src/secret.js",
	}
}

// logs waits until the resource has logged the line.
func logs(t *testing.T, r *item, line string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !slices.Contains(r.plugin.log.of(r.urn), line); {
		if time.Now().After(deadline) {
			t.Fatalf("log: got %q, want a line %q", r.plugin.log.of(r.urn), line)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
