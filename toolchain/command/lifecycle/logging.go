package lifecycle

import "github.com/pulumi/pulumi-go-provider/infer"

// Logging is which of a command's streams are logged while it runs; both are kept as outputs in
// any case. The empty value, for an absent input, logs both.
type Logging string

// The values of the `logging` input.
const (
	LogStdout Logging = "stdout"
	LogStderr Logging = "stderr"
	LogBoth   Logging = "stdoutAndStderr"
	LogNone   Logging = "none"
)

// LoggingDescription is the text of the `logging` input in the schema.
const LoggingDescription = "Which streams are logged while the command runs; stdout and stderr are kept as " +
	"outputs in any case. Defaults to both."

func (l Logging) stdout() bool { return l == "" || l == LogStdout || l == LogBoth }
func (l Logging) stderr() bool { return l == "" || l == LogStderr || l == LogBoth }

// LoggingOf reads an optional `logging` input of a module's own enumeration.
func LoggingOf[T ~string](input *T) Logging {
	if input == nil {
		return ""
	}
	return Logging(*input)
}

// LoggingValues lists the values for a module's own enumeration: the schema has one in each module.
func LoggingValues[T ~string]() []infer.EnumValue[T] {
	return []infer.EnumValue[T]{
		{Name: string(LogStdout), Value: T(LogStdout), Description: "Log standard output only"},
		{Name: string(LogStderr), Value: T(LogStderr), Description: "Log standard error only"},
		{Name: string(LogBoth), Value: T(LogBoth), Description: "Log both streams"},
		{Name: string(LogNone), Value: T(LogNone), Description: "Log nothing"},
	}
}
