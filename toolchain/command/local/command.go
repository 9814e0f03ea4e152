// Package local runs commands on this machine: `command:local:Command`.
package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.local/toolchain/command/lifecycle"
)

// Command is the resource `command:local:Command`.
type Command struct{}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "A command that runs on this machine. It fails when it ends with another status than 0.")
}

// Logging is the type of the `logging` input.
type Logging string

// Values lists what `logging` may be.
func (Logging) Values() []infer.EnumValue[Logging] { return lifecycle.LoggingValues[Logging]() }

// Inputs are the resource's inputs.
type Inputs struct {
	lifecycle.Inputs
	Logging      *Logging           `pulumi:"logging,optional"`
	Interpreter  *[]string          `pulumi:"interpreter,optional"`
	Dir          *string            `pulumi:"dir,optional"`
	Environment  *map[string]string `pulumi:"environment,optional"`
	AssetPaths   *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths *[]string          `pulumi:"archivePaths,optional"`
}

// Annotate describes the inputs in the schema.
func (in *Inputs) Annotate(a infer.Annotator) {
	a.Describe(&in.Logging, lifecycle.LoggingDescription)
	a.Describe(&in.Interpreter,
		"The program, and its first arguments, that the command is passed to. Defaults to `/bin/sh -c`.")
	a.Describe(&in.Dir, "The folder to run in, which must exist. Defaults to the program's own.")
	a.Describe(&in.Environment, "Variables to add to the environment.")
	a.Describe(&in.AssetPaths, "Globs, relative to the folder, of files to return as `assets`. "+globRules)
	a.Describe(&in.ArchivePaths, "Globs, relative to the folder, of files to return as `archive`. "+globRules)
}

// State is what is stored of the resource: its inputs and outputs.
type State struct {
	Inputs
	Outputs
}

// Outputs are the resource's outputs.
type Outputs struct {
	lifecycle.Outputs
	Assets  *map[string]*types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive                 `pulumi:"archive,optional"`
}

// Annotate describes the outputs in the schema.
func (out *Outputs) Annotate(a infer.Annotator) {
	a.Describe(&out.Assets, "The files that `assetPaths` matched, by their path in the folder.")
	a.Describe(&out.Archive, "The files that `archivePaths` matched.")
}

// Create runs `create`.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[Inputs],
) (resp infer.CreateResponse[State], err error) {
	if resp.ID, err = lifecycle.NewID(req.Name); err != nil {
		return resp, err
	}
	resp.Output.Inputs = req.Inputs
	if !req.DryRun {
		err = resp.Output.run(ctx, req.Inputs.Create)
	}
	return resp, err
}

// Update runs `update`, or `create` without one. Without either the outputs stay.
func (*Command) Update(
	ctx context.Context, req infer.UpdateRequest[Inputs, State],
) (resp infer.UpdateResponse[State], err error) {
	resp.Output = State{Inputs: req.Inputs, Outputs: req.State.Outputs}
	if !req.DryRun {
		err = resp.Output.run(ctx, req.Inputs.OnUpdate())
	}
	return resp, err
}

// Delete runs `delete` with the stored inputs.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, req.State.run(ctx, req.State.Delete)
}
