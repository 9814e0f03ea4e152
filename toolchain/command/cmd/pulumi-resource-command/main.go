// Command pulumi-resource-command is the plugin that the Pulumi engine starts.
package main

import (
	"context"
	"fmt"
	"os"

	command "example.local/toolchain/command"
)

func main() {
	if err := command.New().Run(context.Background(), command.Name, command.Version); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
