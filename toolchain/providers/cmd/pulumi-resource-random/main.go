// Command pulumi-resource-random is the provider of @pulumi/random, made of the same upstream
// Terraform provider and the same bridge as the official one.
package main

import (
	"context"
	"fmt"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"example.local/toolchain/providers/internal/pins"
)

func main() {
	schema := pf.ProviderMetadata{PackageSchema: packageSchema(pins.Random)}
	pf.Main(context.Background(), "random", provider(pins.Random), schema)
}

// provider maps the upstream provider's resources to the names that @pulumi/random uses.
func provider(version string) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:                              pf.ShimProvider(shim.NewProvider()),
		Name:                           "random",
		Version:                        version,
		MetadataInfo:                   tfbridge.NewProviderMetadata([]byte("{}")),
		EnableZeroDefaultSchemaVersion: true,
	}
	standard := tokens.MakeStandard("random")
	// The npm package prefixes every resource: random_password is RandomPassword.
	prefixed := func(module, name string) (string, error) { return standard(module, "Random"+name) }
	info.MustComputeTokens(tokens.SingleModule("random_", "index", prefixed))
	return info
}

// packageSchema is as much of a package schema as the engine asks for. The full one exists to
// generate the npm package, which is taken as published.
func packageSchema(version string) []byte {
	return fmt.Appendf(nil, `{"name":"random","version":%q}`, version)
}
