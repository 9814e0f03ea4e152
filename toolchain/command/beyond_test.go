package command_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestBeyondTheOfficialPlugin has the claims that the official plugin does not meet. No program can
// depend on them.
func TestBeyondTheOfficialPlugin(t *testing.T) {
	session := startPlugin(t)

	t.Run("each run takes one connection of its own, one at the bastion, and ends both", func(t *testing.T) {
		t.Parallel()
		key := newKey(t, "ed25519")
		server := startSSHD(t, sshdOptions{authorized: []sshKey{key}})
		bastion := startSSHD(t, sshdOptions{authorized: []sshKey{key}})
		r := newItem(t, session, "remote")
		program := args{"create": "cat >/dev/null", "delete": "cat >/dev/null", "connection": server.at(args{
			"privateKey": key.private, "proxy": bastion.at(args{"privateKey": key.private}),
		})}
		r.does("create", program)
		r.does("update", program.with(args{"stdin": "x"}))
		must(t, r.down())
		for _, log := range []*buffer{server.log, bastion.log} {
			waitFor(t, func() bool { return strings.Count(log.String(), "Closing connection to") == 3 }, log)
			equal(t, "logins", strings.Count(log.String(), "Accepted publickey"), 3)
		}
	})

	t.Run("a line of any length is logged", func(t *testing.T) {
		t.Parallel()
		r := newItem(t, session, "local")
		r.does("create", args{"create": "head -c 200000 /dev/zero | tr '\\0' x; echo; echo end"})
		got := r.plugin.log.of(r.urn)
		want := []string{"status info: " + strings.Repeat("x", 200000), "status info: end"}
		if !slices.Equal(got, want) {
			t.Errorf("got %d lines", len(got))
		}
	})

	t.Run("the lines of the two streams are not mixed, and the last one needs no newline", func(t *testing.T) {
		t.Parallel()
		r := newItem(t, session, "local")
		r.does("create", args{"create": "printf be; sleep .1; echo err >&2; sleep .1; echo gin; printf end"})
		equal(t, "log", fmt.Sprint(r.plugin.log.of(r.urn)), "[status info: err status info: begin status info: end]")
	})
}
