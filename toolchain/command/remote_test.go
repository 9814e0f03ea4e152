package command_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestRemoteCommand has what holds for commands over SSH only.
func TestRemoteCommand(t *testing.T) {
	session := startPlugin(t)
	key := newKey(t, "ed25519")
	server := startSSHD(t, sshdOptions{authorized: []sshKey{key}, config: "AcceptEnv GREETING"})
	base := args{"connection": server.at(args{"privateKey": key.private})}
	claim := func(title string, test func(t *testing.T, r *item)) {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			test(t, newItem(t, session, "remote"))
		})
	}

	claim("a connection is required, and its host", func(t *testing.T, r *item) {
		_, err := r.up(args{"create": "true"})
		fails(t, err, "connection")
		_, err = r.up(args{"create": "true", "connection": args{"user": "root"}})
		fails(t, err, "host")
	})

	claim("the connection's defaults are filled in, the bastion's too, and both are secret",
		func(t *testing.T, r *item) {
			inputs, err := r.check(args{"connection": args{"host": "web1", "proxy": args{"host": "bastion"}}})
			must(t, err)
			equal(t, "connection is secret", inputs["connection"].IsSecret(), true)
			connection := inputs["connection"].SecretValue().Element.ObjectValue()
			for _, endpoint := range []resource.PropertyMap{connection, connection["proxy"].ObjectValue()} {
				equal(t, "user", endpoint["user"].StringValue(), "root")
				equal(t, "port", endpoint["port"].NumberValue(), 22)
				equal(t, "dialErrorLimit", endpoint["dialErrorLimit"].NumberValue(), 10)
				equal(t, "perDialTimeout", endpoint["perDialTimeout"].NumberValue(), 15)
			}
		})

	claim("the stored connection is secret, the outputs are not", func(t *testing.T, r *item) {
		r.does("create", base.with(args{"create": "echo out"}))
		equal(t, "connection is secret", r.stored["connection"].IsSecret(), true)
		equal(t, "stdout is secret", r.stored["stdout"].IsSecret(), false)
	})

	claim("the error of a failed command begins with its exit status", func(t *testing.T, r *item) {
		_, err := r.up(base.with(args{"create": "exit 3"}))
		fails(t, err, "Process exited with status 3: running \"exit 3\":\n")
	})

	claim("the error of a killed command names the signal", func(t *testing.T, r *item) {
		_, err := r.up(base.with(args{"create": "kill -TERM $$"}))
		fails(t, err, "Process exited with status 143 from signal TERM: running ")
	})

	claim("a command that leaves megabytes of stdin unread fails with EOF", func(t *testing.T, r *item) {
		// By then, as much is sent as fits into the connection.
		program := base.with(args{"create": "sleep 3; echo done", "stdin": strings.Repeat("x", 1<<23)})
		_, err := r.up(program)
		fails(t, err, `EOF: running "sleep 3; echo done":`+"\ndone\n")
	})

	claim("a variable that the server does not accept is an error", func(t *testing.T, r *item) {
		_, err := r.up(base.with(args{"create": "true", "environment": args{"SECRET_NAME": "x"}}))
		fails(t, err, `could not set environment variable "SECRET_NAME": ssh: setenv failed`)
		equal(t, "log", strings.HasPrefix(r.plugin.log.of(r.urn)[0], "error: Unable to set 'SECRET_NAME'"), true)
	})

	claim("without the server's consent the output of the run before is left out, with a warning",
		func(t *testing.T, r *item) {
			r.does("create", base.with(args{"create": "echo out", "logging": "none"}))
			program := base.with(args{"create": "echo ${PULUMI_COMMAND_STDOUT-unset}", "logging": "none"})
			r.does("update", program)
			equal(t, "stdout", r.output("stdout"), "unset")
			log := r.plugin.log.of(r.urn)
			if len(log) != 1 || !strings.HasPrefix(log[0], "warning: Unable to set 'PULUMI_COMMAND_STDOUT'") {
				t.Errorf("got the log %q", log)
			}
			r.does("update", program.with(args{"addPreviousOutputInEnv": false}))
			equal(t, "warnings", len(r.plugin.log.of(r.urn)), 1)
		})

	claim("a changed connection is an update on the new machine; the old one is not cleaned",
		func(t *testing.T, r *item) {
			other := startSSHD(t, sshdOptions{authorized: []sshKey{key}})
			file := filepath.Join(t.TempDir(), "file")
			program := args{"create": "echo ${SSH_CONNECTION##* } >>" + file, "delete": "echo delete >>" + file}
			r.does("create", program.with(base))
			r.does("update", program.with(args{"connection": other.at(args{"privateKey": key.private})}))
			equal(t, "ports", read(t, file), itoa(server.port)+"\n"+itoa(other.port)+"\n")
		})

	claim("delete uses the stored connection, so a machine that is gone blocks it", func(t *testing.T, r *item) {
		r.does("create", args{"delete": "true", "connection": args{
			"host": "127.0.0.1", "port": reservePort(t), "dialErrorLimit": 0, "password": password,
		}})
		fails(t, r.down(), "after 0 failed attempts: dial tcp 127.0.0.1:", "connection refused")
	})

	t.Run("a cancelled up lets a command that runs finish, and keeps its output", func(t *testing.T) {
		t.Parallel()
		r := newItem(t, startPlugin(t), "remote")
		done := make(chan error)
		go func() {
			_, err := r.up(base.with(args{"create": "echo begun; sleep 1; echo done"}))
			done <- err
		}()
		logs(t, r, "status info: begun")
		must(t, r.plugin.SignalCancellation(context.Background()))
		must(t, <-done)
		equal(t, "stdout", r.output("stdout"), "begun\ndone")
	})

	t.Run("a cancelled up stops dialling", func(t *testing.T) {
		t.Parallel()
		r := newItem(t, startPlugin(t), "remote")
		done := make(chan error)
		go func() {
			_, err := r.up(args{"create": "true", "connection": args{
				"host": "127.0.0.1", "port": reservePort(t), "dialErrorLimit": -1,
			}})
			done <- err
		}()
		logs(t, r, "status info: Dial 3/inf failed: retrying")
		must(t, r.plugin.SignalCancellation(context.Background()))
		select {
		case err := <-done:
			fails(t, err, "context canceled")
		case <-time.After(5 * time.Second):
			t.Error("it still dials")
		}
	})
}
