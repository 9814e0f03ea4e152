// Package command is a stand-in for Pulumi's own command provider on machines that cannot
// download it. It serves `command:local:Command` and `command:remote:Command` as the npm package
// @pulumi/command 1.2.1 documents them, and nothing else of that package.
package command

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"example.local/toolchain/command/local"
	"example.local/toolchain/command/remote"
)

// Name is the package that the resources belong to; the engine looks for the binary
// `pulumi-resource-<Name>`.
const Name = "command"

// Version is that of the npm package whose documented behaviour this provider has.
const Version = "1.2.1"

// New makes the provider. A resource's module is the name of its Go package, which is what makes
// remote.Command `command:remote:Command`.
func New() p.Provider {
	return infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command",
			Description: "Runs commands here or over SSH; a stand-in for closed networks and tests.",
		},
		Resources: []infer.InferredResource{
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
		},
	})
}
