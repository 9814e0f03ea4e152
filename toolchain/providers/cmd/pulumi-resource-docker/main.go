// Command pulumi-resource-docker is the provider of @pulumi/docker, made of the same upstream
// Terraform provider and the same bridge as the official one.
package main

import (
	"fmt"
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"

	"example.local/toolchain/providers/internal/pins"
)

func main() {
	tfbridge.Main("docker", pins.Docker, provider(pins.Docker), packageSchema(pins.Docker))
}

// provider maps the upstream provider's resources and properties to the names that @pulumi/docker
// uses. names_test.go compares them with the npm package.
func provider(version string) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:            sdkv2.NewProvider(shim.NewProvider()),
		Name:         "docker",
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Config: map[string]*tfbridge.SchemaInfo{
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_config": {Tok: token("ServiceConfig")},
			"docker_container": {
				Tok: token("Container"),
				// Two containers cannot publish one port: the official provider does the same.
				DeleteBeforeReplace: true,
				Fields: map[string]*tfbridge.SchemaInfo{
					"command":           {Name: "command"},
					"networks_advanced": {Name: "networksAdvanced"},
				},
			},
			"docker_image":          {Tok: token("RemoteImage"), Fields: nameIsNotAutomatic()},
			"docker_network":        {Tok: token("Network")},
			"docker_plugin":         {Tok: token("Plugin")},
			"docker_registry_image": {Tok: token("RegistryImage"), Fields: nameIsNotAutomatic()},
			"docker_secret":         {Tok: token("Secret")},
			"docker_service":        {Tok: token("Service")},
			"docker_tag":            {Tok: token("Tag")},
			"docker_volume":         {Tok: token("Volume")},
		},
	}
	info.SetAutonaming(255, "-")
	return info
}

// nameIsNotAutomatic keeps SetAutonaming from inventing an image reference.
func nameIsNotAutomatic() map[string]*tfbridge.SchemaInfo {
	return map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}
}

// token gives the type token of a resource: "docker:index/remoteImage:RemoteImage".
func token(resource string) tokens.Type {
	runes := []rune(resource)
	runes[0] = unicode.ToLower(runes[0])
	return tokens.Type(fmt.Sprintf("docker:index/%s:%s", string(runes), resource))
}

// packageSchema is as much of a package schema as the engine asks for. The full one exists to
// generate the npm package, which is taken as published.
func packageSchema(version string) []byte {
	return fmt.Appendf(nil, `{"name":"docker","version":%q}`, version)
}
