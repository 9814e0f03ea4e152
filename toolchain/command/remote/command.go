// Package remote runs commands on other machines, over SSH: `command:remote:Command`.
package remote

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"

	"example.local/toolchain/command/lifecycle"
)

// Command is the resource `command:remote:Command`.
type Command struct{}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "A command that runs on another machine, over SSH. It fails when it ends with another "+
		"status than 0.")
}

// Logging is the type of the `logging` input.
type Logging string

// Values lists what `logging` may be.
func (Logging) Values() []infer.EnumValue[Logging] { return lifecycle.LoggingValues[Logging]() }

// Inputs are the resource's inputs.
type Inputs struct {
	lifecycle.Inputs
	Logging     *Logging          `pulumi:"logging,optional"`
	Connection  *Connection       `pulumi:"connection" provider:"secret"`
	Environment map[string]string `pulumi:"environment,optional"`
}

// Annotate describes the inputs in the schema.
func (in *Inputs) Annotate(a infer.Annotator) {
	a.Describe(&in.Logging, lifecycle.LoggingDescription)
	a.Describe(&in.Connection, "How to reach the machine.")
	a.Describe(&in.Environment, "Variables to set for the command. Fails unless the machine's SSH server "+
		"accepts their names (AcceptEnv).")
}

// State is what is stored of the resource: its inputs and outputs.
type State struct {
	Inputs
	lifecycle.Outputs
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

// Delete runs `delete` with the stored inputs: the connection is the one of the last update.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, req.State.run(ctx, req.State.Delete)
}
