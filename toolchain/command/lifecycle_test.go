package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestEveryCommand has what holds for a command wherever it runs.
func TestEveryCommand(t *testing.T) {
	session := startPlugin(t)
	key := newKey(t, "ed25519")
	server := startSSHD(t, sshdOptions{authorized: []sshKey{key}, config: "AcceptEnv PULUMI_COMMAND_* GREETING"})
	for module, base := range map[string]args{
		"local":  {},
		"remote": {"connection": server.at(args{"privateKey": key.private})},
	} {
		// claim runs a test of a resource in this module, whose commands may write to the file $1.
		claim := func(title string, test func(t *testing.T, r *item, base args, file string)) {
			t.Run(module+": "+title, func(t *testing.T) {
				t.Parallel()
				test(t, newItem(t, session, module), base, filepath.Join(t.TempDir(), "file"))
			})
		}
		everyCommand(claim)
	}
}

func everyCommand(claim func(title string, test func(t *testing.T, r *item, base args, file string))) {
	claim("create runs once, and its output is kept without one closing newline",
		func(t *testing.T, r *item, base args, file string) {
			program := base.with(args{"create": "echo run >>" + file + `; printf 'a\n\n'; printf 'b\n' >&2`})
			r.does("create", program)
			equal(t, "stdout", r.output("stdout"), "a\n")
			equal(t, "stderr", r.output("stderr"), "b")
			r.does("same", program)
			equal(t, "runs", read(t, file), "run\n")
		})

	claim("without create nothing runs and the outputs are empty",
		func(t *testing.T, r *item, base args, file string) {
			r.does("create", base.with(args{"update": "echo run >>" + file, "delete": "true"}))
			equal(t, "stdout", r.output("stdout"), "")
			equal(t, "stderr", r.output("stderr"), "")
			equal(t, "runs", read(t, file), "")
		})

	claim("the ID is the name and eight hexadecimal digits",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base)
			digits, ok := strings.CutPrefix(string(r.id), r.urn.Name())
			if !ok || len(digits) != 8 || strings.Trim(digits, "0123456789abcdef") != "" {
				t.Errorf("got the ID %q", r.id)
			}
		})

	claim("a changed input runs update",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "echo created", "update": "echo updated"}))
			r.does("update", base.with(args{"create": "echo other", "update": "echo updated"}))
			equal(t, "stdout", r.output("stdout"), "updated")
		})

	claim("a changed input runs create when there is no update",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "cat", "stdin": "one"}))
			r.does("update", base.with(args{"create": "cat", "stdin": "two"}))
			equal(t, "stdout", r.output("stdout"), "two")
		})

	claim("an update without a command keeps the outputs",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "echo first"}))
			r.does("update", base)
			equal(t, "stdout", r.output("stdout"), "first")
		})

	claim("a changed trigger replaces, the new one before the old one's delete",
		func(t *testing.T, r *item, base args, file string) {
			program := base.with(args{
				"create": "echo create >>" + file,
				"update": "echo update >>" + file,
				"delete": "echo delete >>" + file,
			})
			r.does("create", program.with(args{"triggers": []any{"a", 1, map[string]any{"k": true}}}))
			r.does("replace", program.with(args{"triggers": []any{"a", 1, map[string]any{"k": false}}}))
			equal(t, "runs", read(t, file), "create\ncreate\ndelete\n")
			r.does("replace", program)
		})

	claim("delete runs the command of the last update, with its input and output",
		func(t *testing.T, r *item, base args, file string) {
			program := args{"create": "cat >/dev/null; echo made", "delete": "true", "stdin": "old"}
			r.does("create", base.with(program))
			r.does("update", base.with(program).with(args{
				"delete": "(cat; echo; echo $GREETING; echo $PULUMI_COMMAND_STDOUT) >" + file,
				"stdin":  "new", "environment": map[string]any{"GREETING": "hello"},
			}))
			must(t, r.down())
			equal(t, "seen by delete", read(t, file), "new\nhello\nmade\n")
		})

	claim("without delete nothing runs at deletion",
		func(t *testing.T, r *item, base args, file string) {
			r.does("create", base.with(args{"create": "echo run >>" + file, "update": "echo run >>" + file}))
			must(t, r.down())
			equal(t, "runs", read(t, file), "run\n")
		})

	claim("a failed delete keeps the resource and tells why",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"delete": "echo stuck; exit 4"}))
			fails(t, r.down(), `4: running "echo stuck; exit 4":`+"\nstuck\n")
			if r.stored == nil {
				t.Error("the resource is gone")
			}
		})

	const show = `echo "${PULUMI_COMMAND_STDOUT-unset} ${PULUMI_COMMAND_STDERR-unset}"`
	claim("a run sees the output of the one before, empty output as unset",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": show + "; echo err >&2"}))
			equal(t, "at create", r.output("stdout"), "unset unset")
			r.does("update", base.with(args{"create": show}))
			equal(t, "at update", r.output("stdout"), "unset unset err")
			r.does("update", base.with(args{"create": "cat >/dev/null; " + show, "stdin": "x"}))
			equal(t, "at the next", r.output("stdout"), "unset unset err unset")
		})

	claim("addPreviousOutputInEnv false hides the output of the run before",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "echo out; echo err >&2"}))
			r.does("update", base.with(args{"create": show, "addPreviousOutputInEnv": false}))
			equal(t, "stdout", r.output("stdout"), "unset unset")
		})

	claim("environment adds variables, and the run before wins over them",
		func(t *testing.T, r *item, base args, _ string) {
			program := base.with(args{"environment": map[string]any{"GREETING": "hello", "PULUMI_COMMAND_STDOUT": "mine"}})
			r.does("create", program.with(args{"create": "echo $GREETING; echo $PULUMI_COMMAND_STDOUT; test $HOME"}))
			equal(t, "at create", r.output("stdout"), "hello\nmine")
			r.does("update", program.with(args{"create": "echo $PULUMI_COMMAND_STDOUT"}))
			equal(t, "at update", r.output("stdout"), "hello mine")
		})

	claim("stdin is the command's standard input, and empty without it",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "wc -c", "stdin": strings.Repeat("x", 1<<20)}))
			equal(t, "bytes", r.output("stdout"), "1048576")
			r.does("update", base.with(args{"create": "wc -c", "stdin": ""}))
			equal(t, "bytes", r.output("stdout"), "0")
			r.does("update", base.with(args{"create": "wc -c"}))
			equal(t, "bytes", r.output("stdout"), "0")
		})

	claim("a failed create leaves no resource, and its error has the command and all of its output",
		func(t *testing.T, r *item, base args, _ string) {
			step, err := r.up(base.with(args{"create": "echo out; sleep .1; echo err >&2; exit 3", "stdin": stdinSecret}))
			equal(t, "step", step, "create")
			fails(t, err, `3: running "echo out; sleep .1; echo err >&2; exit 3":`+"\nout\nerr\n")
			if r.stored != nil {
				t.Errorf("got the state %v", r.stored)
			}
		})

	claim("a failed update keeps the last inputs and outputs, and the next up runs it again",
		func(t *testing.T, r *item, base args, file string) {
			r.does("create", base.with(args{"create": "echo first"}))
			update := base.with(args{"create": "echo $PULUMI_COMMAND_STDOUT; test -e " + file})
			_, err := r.up(update)
			fails(t, err, ": running ", "\nfirst\n")
			equal(t, "stdout", r.output("stdout"), "first")
			equal(t, "create", r.output("create"), "echo first")
			must(t, os.WriteFile(file, nil, 0o600))
			r.does("update", update)
		})

	claim("a preview runs nothing and does not know the outputs",
		func(t *testing.T, r *item, base args, file string) {
			inputs, err := r.check(base.with(args{"create": "echo run >>" + file}))
			must(t, err)
			created, err := r.createResponse(inputs, true)
			must(t, err)
			unknown(t, "stdout of create", created.Properties["stdout"])
			must(t, r.create(inputs))

			inputs, err = r.check(base.with(args{"create": "echo other >>" + file}))
			must(t, err)
			updated, err := r.update(inputs, true)
			must(t, err)
			unknown(t, "stdout of update", updated.Properties["stdout"])
			equal(t, "runs", read(t, file), "run\n")
		})

	claim("a preview takes inputs that are not known yet",
		func(t *testing.T, r *item, base args, _ string) {
			inputs, err := r.check(base.with(args{"create": resource.MakeComputed(resource.NewProperty(""))}))
			must(t, err)
			created, err := r.createResponse(inputs, true)
			must(t, err)
			unknown(t, "create", created.Properties["create"])
		})

	claim("an input that is not documented is refused",
		func(t *testing.T, r *item, base args, _ string) {
			_, err := r.up(base.with(args{"creat": "true"}))
			fails(t, err, "creat")
		})

	claim("a secret input stays secret, the outputs are not",
		func(t *testing.T, r *item, base args, _ string) {
			r.does("create", base.with(args{"create": "cat", "stdin": resource.MakeSecret(resource.NewProperty("x"))}))
			equal(t, "stdin is secret", r.stored["stdin"].IsSecret(), true)
			equal(t, "stdout is secret", r.stored["stdout"].IsSecret(), false)
			equal(t, "stdout", r.output("stdout"), "x")
		})

	for logging, want := range map[string][]string{
		"":                {"status info: err", "status info: out 1", "status info: out 2"},
		"stdout":          {"status info: out 1", "status info: out 2"},
		"stderr":          {"status info: err"},
		"stdoutAndStderr": {"status info: err", "status info: out 1", "status info: out 2"},
		"none":            nil,
	} {
		claim(fmt.Sprintf("logging %q logs %d lines, and both outputs are kept", logging, len(want)),
			func(t *testing.T, r *item, base args, _ string) {
				program := base.with(args{"create": `printf 'out 1\r\nout 2\n'; sleep .1; echo err >&2`})
				if logging != "" {
					program["logging"] = logging
				}
				r.does("create", program)
				equal(t, "stdout", r.output("stdout"), "out 1\r\nout 2")
				equal(t, "stderr", r.output("stderr"), "err")
				got := r.plugin.log.of(r.urn)
				slices.Sort(got)
				equal(t, "log", fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
			})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func unknown(t *testing.T, what string, value resource.PropertyValue) {
	t.Helper()
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	if !value.IsComputed() && !(value.IsOutput() && !value.OutputValue().Known) {
		t.Errorf("%s: got %v, want an unknown value", what, value)
	}
}
