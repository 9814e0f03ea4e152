package command_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// pluginPath is the plugin under test: the one built here, or the one that COMMAND_PLUGIN names.
var pluginPath string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		_ = os.Unsetenv("SSH_AUTH_SOCK") // the developer's own agent takes no part
		flag.Parse()
		_ = flag.Set("test.parallel", "8") // the tests wait more than they work
		if pluginPath = os.Getenv("COMMAND_PLUGIN"); pluginPath == "" {
			dir, err := os.MkdirTemp("", "command-plugin-")
			if err != nil {
				panic(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			pluginPath = filepath.Join(dir, "pulumi-resource-command")
			build := exec.Command("go", "build", "-o", pluginPath, "./cmd/pulumi-resource-command")
			if output, err := build.CombinedOutput(); err != nil {
				panic(fmt.Sprintf("%v: %s", err, output))
			}
		}
		return m.Run()
	}())
}

// session is a running plugin as the engine sees it: the SDK's own client, over gRPC.
type session struct {
	plugin.Provider
	log *log
}

// startPlugin starts a plugin process of this test's own, with this process's environment.
func startPlugin(t *testing.T) *session {
	t.Helper()
	log := &log{}
	ctx, err := plugin.NewContextWithRoot(context.Background(), sink{log, ""}, sink{log, "status "}, nil,
		t.TempDir(), "", nil, false, nil, nil, nil, nil, nil)
	must(t, err)
	provider, err := plugin.NewProviderFromPath(ctx.Host, ctx, "command", pluginPath)
	must(t, err)
	t.Cleanup(func() {
		_ = provider.Close()
		_ = ctx.Close()
	})
	_, err = provider.Configure(context.Background(), plugin.ConfigureRequest{Inputs: resource.PropertyMap{}})
	must(t, err)
	return &session{provider, log}
}

// log is what the plugin logged, by resource.
type log struct {
	mu    sync.Mutex
	lines map[resource.URN][]string
}

// of lists a resource's log as "severity: text", with "status " before status messages.
func (l *log) of(urn resource.URN) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines[urn]...)
}

// sink is the engine's end of a log.
type sink struct {
	log  *log
	kind string
}

func (s sink) Logf(severity diag.Severity, message *diag.Diag, args ...any) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	text := message.Message
	if !message.Raw {
		text = fmt.Sprintf(text, args...)
	}
	if s.log.lines == nil {
		s.log.lines = map[resource.URN][]string{}
	}
	line := fmt.Sprintf("%s%s: %s", s.kind, severity, text)
	s.log.lines[message.URN] = append(s.log.lines[message.URN], line)
}
func (s sink) Debugf(d *diag.Diag, args ...any)   { s.Logf(diag.Debug, d, args...) }
func (s sink) Infof(d *diag.Diag, args ...any)    { s.Logf(diag.Info, d, args...) }
func (s sink) Infoerrf(d *diag.Diag, args ...any) { s.Logf(diag.Infoerr, d, args...) }
func (s sink) Errorf(d *diag.Diag, args ...any)   { s.Logf(diag.Error, d, args...) }
func (s sink) Warningf(d *diag.Diag, args ...any) { s.Logf(diag.Warning, d, args...) }

// args are a resource's inputs in a program.
type args map[string]any

// with is a copy of the inputs with others added or changed.
func (a args) with(more args) args {
	result := args{}
	for _, from := range []args{a, more} {
		for name, value := range from {
			result[name] = value
		}
	}
	return result
}

// item is one resource in a stack: up and down take the steps that the engine takes.
type item struct {
	t       *testing.T
	plugin  *session
	typ     tokens.Type
	urn     resource.URN
	timeout float64 // seconds; the option `customTimeouts`

	id             resource.ID
	inputs, stored resource.PropertyMap
}

// newItem declares a `command:<module>:Command` that is named after the test.
func newItem(t *testing.T, plugin *session, module string) *item {
	typ := tokens.Type("command:" + module + ":Command")
	name := strings.NewReplacer("/", "-", " ", "-", "\"", "", "`", "").Replace(t.Name())
	return &item{t: t, plugin: plugin, typ: typ, urn: resource.NewURN("dev", "test", "", typ, name)}
}

// up brings the resource to the inputs and says how: "create", "update", "replace" or "same".
func (r *item) up(program args) (step string, err error) {
	r.t.Helper()
	defer func() { r.tellsNoSecret(err) }()
	inputs, err := r.check(program)
	if err != nil {
		return "check", err
	}
	if r.stored == nil {
		return "create", r.create(inputs)
	}
	diff := r.diff(inputs)
	switch {
	case diff.Changes == plugin.DiffNone:
		return "same", nil
	case diff.Replace() || changesTrigger(diff):
		old := *r
		if err := r.create(inputs); err != nil {
			return "replace", err
		}
		return "replace", old.down()
	default:
		response, err := r.update(inputs, false)
		if err == nil {
			r.inputs, r.stored = inputs, response.Properties
		}
		return "update", err
	}
}

// changesTrigger is what the npm package adds: it asks the engine to replace on changes of
// `triggers[*]`. The plugin itself calls for a replacement only when the whole list comes or goes.
func changesTrigger(diff plugin.DiffResult) bool {
	for path := range diff.DetailedDiff {
		if strings.HasPrefix(path, "triggers[") {
			return true
		}
	}
	return false
}

// down deletes the resource.
func (r *item) down() error {
	r.t.Helper()
	_, err := r.plugin.Delete(context.Background(), plugin.DeleteRequest{
		URN: r.urn, Name: r.urn.Name(), Type: r.typ, ID: r.id,
		Inputs: r.inputs, Outputs: r.stored, Timeout: r.timeout,
	})
	r.tellsNoSecret(err)
	if err == nil {
		r.stored = nil
	}
	return err
}

// check has the inputs checked, with their defaults and secrets filled in.
func (r *item) check(program args) (resource.PropertyMap, error) {
	response, err := r.plugin.Check(context.Background(), plugin.CheckRequest{
		URN: r.urn, Name: r.urn.Name(), Type: r.typ, AllowUnknowns: true,
		Olds: r.inputs, News: resource.NewPropertyMapFromMap(program),
	})
	if err != nil {
		return nil, err
	}
	for _, failure := range response.Failures {
		return nil, fmt.Errorf("%s: %s", failure.Property, failure.Reason)
	}
	return response.Properties, nil
}

func (r *item) diff(inputs resource.PropertyMap) plugin.DiffResult {
	r.t.Helper()
	diff, err := r.plugin.Diff(context.Background(), plugin.DiffRequest{
		URN: r.urn, Name: r.urn.Name(), Type: r.typ, ID: r.id,
		OldInputs: r.inputs, OldOutputs: r.stored, NewInputs: inputs, AllowUnknowns: true,
	})
	must(r.t, err)
	return diff
}

func (r *item) create(inputs resource.PropertyMap) error {
	response, err := r.createResponse(inputs, false)
	if err == nil {
		r.id, r.inputs, r.stored = response.ID, inputs, response.Properties
	}
	return err
}

func (r *item) createResponse(inputs resource.PropertyMap, preview bool) (plugin.CreateResponse, error) {
	return r.plugin.Create(context.Background(), plugin.CreateRequest{
		URN: r.urn, Name: r.urn.Name(), Type: r.typ,
		Properties: inputs, Preview: preview, Timeout: r.timeout,
	})
}

func (r *item) update(inputs resource.PropertyMap, preview bool) (plugin.UpdateResponse, error) {
	return r.plugin.Update(context.Background(), plugin.UpdateRequest{
		URN: r.urn, Name: r.urn.Name(), Type: r.typ, ID: r.id,
		OldInputs: r.inputs, OldOutputs: r.stored, NewInputs: inputs, Preview: preview, Timeout: r.timeout,
	})
}

// output is a text output, secret or not.
func (r *item) output(name resource.PropertyKey) string {
	r.t.Helper()
	value := r.stored[name]
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	if !value.IsString() {
		r.t.Fatalf("output %s: got %v, want a string", name, value)
	}
	return value.StringValue()
}

// secrets are texts that tests put where secrets belong, and that no error or log may show.
var secrets = []string{password, passphrase, "PRIVATE KEY", stdinSecret}

const stdinSecret = "the-secret-in-stdin"

func (r *item) tellsNoSecret(err error) {
	r.t.Helper()
	told := strings.Join(r.plugin.log.of(r.urn), "\n") + "\n" + fmt.Sprint(err)
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			r.t.Errorf("an error or the log shows %q:\n%s", secret, told)
		}
	}
}

// steps brings the resource through the inputs and wants each step to be the one named.
func (r *item) does(want string, program args) {
	r.t.Helper()
	step, err := r.up(program)
	must(r.t, err)
	equal(r.t, "step", step, want)
}

// fails wants an error that has all of the texts.
func fails(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got the error %q, want one with %q", err, text)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
