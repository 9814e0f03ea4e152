package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// The npm package, as `npm ci` lays it beside the toolchain.
const npmPackage = "../../../../node_modules/@pulumi/docker"

// Every property that @pulumi/docker documents for the resources of this project exists here under
// the same name, as a list where theirs is a list.
func TestEveryDocumentedPropertyExists(t *testing.T) {
	if _, err := os.Stat(npmPackage); err != nil {
		t.Skipf("npm ci has not run: %v", err)
	}
	nested := read(t, "types/input.d.ts")
	info := provider("5.2.0")
	for _, resource := range []struct{ upstream, file, arguments string }{
		{"docker_container", "container.d.ts", "ContainerArgs"},
		{"docker_image", "remoteImage.d.ts", "RemoteImageArgs"},
		{"docker_network", "network.d.ts", "NetworkArgs"},
		{"docker_volume", "volume.d.ts", "VolumeArgs"},
	} {
		t.Run(resource.arguments, func(t *testing.T) {
			documented := properties(t, read(t, resource.file), resource.arguments)
			schema := info.P.ResourcesMap().Get(resource.upstream).Schema()
			compare(t, resource.arguments, documented, nested, schema, info.Resources[resource.upstream].Fields)
		})
	}
}

// compare walks one level of documented properties, and those of the objects in it.
func compare(
	t *testing.T,
	path string,
	documented map[string]string,
	nested string,
	schema shim.SchemaMap,
	fields map[string]*tfbridge.SchemaInfo,
) {
	t.Helper()
	ours := map[string]string{}
	schema.Range(func(upstream string, _ shim.Schema) bool {
		ours[tfbridge.TerraformToPulumiNameV2(upstream, schema, fields)] = upstream
		return true
	})
	for name, typescript := range documented {
		upstream, ok := ours[name]
		if !ok {
			t.Errorf("%s.%s is documented but not provided; provided: %v", path, name, ours)
			continue
		}
		property := schema.Get(upstream)
		repeated := property.Type() == shim.TypeList || property.Type() == shim.TypeSet
		list := repeated && !tfbridge.IsMaxItemsOne(property, fields[upstream])
		if documentedList := strings.Contains(typescript, "[]"); documentedList != list {
			t.Errorf("%s.%s is %s, but list here: %v", path, name, typescript, list)
		}
		object := regexp.MustCompile(`inputs\.(\w+)`).FindStringSubmatch(typescript)
		if object == nil {
			continue
		}
		element, ok := property.Elem().(shim.Resource)
		if !ok {
			t.Errorf("%s.%s is %s, but no object here", path, name, typescript)
			continue
		}
		compare(t, path+"."+name, properties(t, nested, object[1]), nested, element.Schema(), nil)
	}
}

// properties gives the names and TypeScript types of one interface in a declaration file.
func properties(t *testing.T, declarations, name string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(declarations, "export interface "+name+" {\n")
	if !ok {
		t.Fatalf("%s: no interface %s", npmPackage, name)
	}
	body, _, _ := strings.Cut(rest, "\n}\n")
	found := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^    (\w+)\??: (.*)$`).FindAllStringSubmatch(body, -1) {
		found[match[1]] = match[2]
	}
	if len(found) == 0 {
		t.Fatalf("%s: interface %s has no properties", npmPackage, name)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(npmPackage, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
