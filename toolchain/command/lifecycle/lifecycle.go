// Package lifecycle holds what a command has in common wherever it runs: the inputs, which command
// runs at which step, what it sees of the previous run, and how its output is kept.
package lifecycle

import (
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Inputs are the inputs that every kind of command takes. A changed input is an update; a changed
// trigger is a replacement.
type Inputs struct {
	Triggers               *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create                 *string `pulumi:"create,optional"`
	Update                 *string `pulumi:"update,optional"`
	Delete                 *string `pulumi:"delete,optional"`
	Stdin                  *string `pulumi:"stdin,optional"`
	AddPreviousOutputInEnv *bool   `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate describes the inputs in the schema.
func (in *Inputs) Annotate(a infer.Annotator) {
	a.Describe(&in.Triggers, "Values of any type; a change to one of them replaces the resource.")
	a.Describe(&in.Create, "The command to run at creation, and at an update without an `update` command.")
	a.Describe(&in.Update, "The command to run when an input changed. Defaults to `create`.")
	a.Describe(&in.Delete, "The command to run at deletion, with the inputs and outputs of the last run.")
	a.Describe(&in.Stdin, "The command's standard input. Defaults to none.")
	a.Describe(&in.AddPreviousOutputInEnv,
		"Whether the next run gets this run's output as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. "+
			"Defaults to true.")
}

// OnUpdate is the command of an update: `update`, or `create` without one, or nil.
func (in *Inputs) OnUpdate() *string {
	if in.Update != nil {
		return in.Update
	}
	return in.Create
}

// Outputs are what every kind of command leaves: its output, without one closing newline.
type Outputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the outputs in the schema.
func (out *Outputs) Annotate(a infer.Annotator) {
	a.Describe(&out.Stdout, "What the command wrote to standard output.")
	a.Describe(&out.Stderr, "What the command wrote to standard error.")
}

// Variable is one variable of a command's environment.
type Variable struct{ Name, Value string }

// Previous lists the variables by which a run sees the output of the one before. Empty output is
// left out.
func (out *Outputs) Previous(in *Inputs) []Variable {
	var variables []Variable
	if in.AddPreviousOutputInEnv != nil && !*in.AddPreviousOutputInEnv {
		return variables
	}
	if out.Stdout != "" {
		variables = append(variables, Variable{"PULUMI_COMMAND_STDOUT", out.Stdout})
	}
	if out.Stderr != "" {
		variables = append(variables, Variable{"PULUMI_COMMAND_STDERR", out.Stderr})
	}
	return variables
}

// NewID makes the ID of a new resource: its name and eight random hexadecimal digits.
func NewID(name string) (string, error) { return resource.NewUniqueHex(name, 8, 0) }
