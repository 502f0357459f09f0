package locks

import "github.com/fairlead-dev/fairlead/internal/spec"

// How a lock is written, for parsing, help and documentation.
type (
	// Form describes how a value that chooses a kind is written.
	Form = spec.Form
	// Rest says what stands between the scheme's colon and the question mark.
	Rest = spec.Rest
	// Param is one parameter of a kind.
	Param = spec.Param
	// Type is the type of a parameter's value.
	Type = spec.Type
	// Value is a text that a Form has read.
	Value = spec.Value
	// Table reads texts of several forms, and describes these.
	Table = spec.Table
)

// The forms of the rest.
const (
	Required = spec.Required // a text that is not empty
	Optional = spec.Optional // a text that may be empty
	Nothing  = spec.Nothing  // no text
	Literal  = spec.Literal  // a path that may hold any character
	URL      = spec.URL      // //[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH]
	HTTP     = spec.HTTP     // http: or https:, and then as URL
)

// The types of parameters.
const (
	Text     = spec.Text     // any text, also an empty one
	Name     = spec.Name     // 1 to 63 letters, digits, dots, dashes and underscores
	File     = spec.File     // the path of a file
	Choice   = spec.Choice   // one of Param.Choices
	Bool     = spec.Bool     // true or false
	Integer  = spec.Integer  // a whole number
	Bytes    = spec.Bytes    // a number of bytes, such as 16Mi
	Duration = spec.Duration // such as 500ms or 1h
	List     = spec.List     // texts separated by commas
)
