package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// documented is what the types and comments of @pulumi/command 1.2.1 say of the two resources, a
// property a line. An optional input's flags are empty.
const documented = `
command:local:Command input  addPreviousOutputInEnv boolean
command:local:Command input  archivePaths []string
command:local:Command input  assetPaths []string
command:local:Command input  create string
command:local:Command input  delete string
command:local:Command input  dir string
command:local:Command input  environment {string}
command:local:Command input  interpreter []string
command:local:Command input  logging command:local:Logging
command:local:Command input  stdin string
command:local:Command input  triggers []any replaceOnChanges
command:local:Command input  update string
command:local:Command output addPreviousOutputInEnv boolean
command:local:Command output archive archive
command:local:Command output archivePaths []string
command:local:Command output assetPaths []string
command:local:Command output assets {asset}
command:local:Command output create string
command:local:Command output delete string
command:local:Command output dir string
command:local:Command output environment {string}
command:local:Command output interpreter []string
command:local:Command output logging command:local:Logging
command:local:Command output stderr string required
command:local:Command output stdin string
command:local:Command output stdout string required
command:local:Command output triggers []any replaceOnChanges
command:local:Command output update string
command:local:Logging enum stdout stderr stdoutAndStderr none
command:remote:Command input  addPreviousOutputInEnv boolean
command:remote:Command input  connection command:remote:Connection required secret
command:remote:Command input  create string
command:remote:Command input  delete string
command:remote:Command input  environment {string}
command:remote:Command input  logging command:remote:Logging
command:remote:Command input  stdin string
command:remote:Command input  triggers []any replaceOnChanges
command:remote:Command input  update string
command:remote:Command output addPreviousOutputInEnv boolean
command:remote:Command output connection command:remote:Connection required secret
command:remote:Command output create string
command:remote:Command output delete string
command:remote:Command output environment {string}
command:remote:Command output logging command:remote:Logging
command:remote:Command output stderr string required
command:remote:Command output stdin string
command:remote:Command output stdout string required
command:remote:Command output triggers []any replaceOnChanges
command:remote:Command output update string
command:remote:Connection field  agentSocketPath string
command:remote:Connection field  dialErrorLimit integer default 10
command:remote:Connection field  host string required
command:remote:Connection field  hostKey string
command:remote:Connection field  password string secret
command:remote:Connection field  perDialTimeout integer default 15
command:remote:Connection field  port number default 22
command:remote:Connection field  privateKey string secret
command:remote:Connection field  privateKeyPassword string secret
command:remote:Connection field  proxy command:remote:ProxyConnection
command:remote:Connection field  user string default root
command:remote:Logging enum stdout stderr stdoutAndStderr none
command:remote:ProxyConnection field  agentSocketPath string
command:remote:ProxyConnection field  dialErrorLimit integer default 10
command:remote:ProxyConnection field  host string required
command:remote:ProxyConnection field  hostKey string
command:remote:ProxyConnection field  password string secret
command:remote:ProxyConnection field  perDialTimeout integer default 15
command:remote:ProxyConnection field  port number default 22
command:remote:ProxyConnection field  privateKey string secret
command:remote:ProxyConnection field  privateKeyPassword string secret
command:remote:ProxyConnection field  user string default root
`

type property struct {
	Ref                  string    `json:"$ref"`
	Type                 string    `json:"type"`
	Items                *property `json:"items"`
	AdditionalProperties *property `json:"additionalProperties"`
	Secret               bool      `json:"secret"`
	ReplaceOnChanges     bool      `json:"replaceOnChanges"`
	Default              any       `json:"default"`
}

func (p property) String() string {
	switch {
	case p.Ref != "":
		name := p.Ref[strings.LastIndex(p.Ref, "/")+1:]
		if strings.HasPrefix(p.Ref, "pulumi.json") {
			name = strings.ToLower(name)
		}
		return name
	case p.Type == "array":
		return "[]" + p.Items.String()
	case p.Type == "object":
		return "{" + p.AdditionalProperties.String() + "}"
	}
	return p.Type
}

// describe adds a line for each property.
func describe(lines []string, prefix string, properties map[string]property, required []string) []string {
	for name, property := range properties {
		line := fmt.Sprintf("%s %s %s", prefix, name, property)
		if slices.Contains(required, name) {
			line += " required"
		}
		if property.Secret {
			line += " secret"
		}
		if property.ReplaceOnChanges {
			line += " replaceOnChanges"
		}
		if property.Default != nil {
			line += fmt.Sprintf(" default %v", property.Default)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTheSchemaIsTheDocumentedOne(t *testing.T) {
	response, err := startPlugin(t).GetSchema(context.Background(), plugin.GetSchemaRequest{})
	must(t, err)
	var schema struct {
		Name, Version string
		Resources     map[string]struct {
			InputProperties, Properties map[string]property
			RequiredInputs, Required    []string
		}
		Types map[string]struct {
			Properties map[string]property
			Required   []string
			Enum       []struct{ Value string }
		}
	}
	must(t, json.Unmarshal(response.Schema, &schema))
	equal(t, "name", schema.Name, "command")
	equal(t, "version", schema.Version, "1.2.1")

	var lines []string
	for _, name := range []string{"command:local:Command", "command:remote:Command"} {
		resource := schema.Resources[name]
		lines = describe(lines, name+" input ", resource.InputProperties, resource.RequiredInputs)
		lines = describe(lines, name+" output", resource.Properties, resource.Required)
	}
	for name, typ := range schema.Types {
		lines = describe(lines, name+" field ", typ.Properties, typ.Required)
		if typ.Enum != nil {
			line := name + " enum"
			for _, member := range typ.Enum {
				line += " " + member.Value
			}
			lines = append(lines, line)
		}
	}
	want := strings.Split(strings.TrimSpace(documented), "\n")
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("not documented: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("missing: %s", line)
		}
	}
}
