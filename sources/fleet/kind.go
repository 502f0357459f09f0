package fleet

import "github.com/fairlead-dev/fairlead/internal/spec"

// How a source of members is written, for parsing, help and documentation.
type (
	// Form describes how a value that chooses a kind is written.
	Form = spec.Form
	// Rest says what stands between the scheme's colon and the question mark.
	Rest = spec.Rest
	// Param is one parameter of a kind.
	Param = spec.Param
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
	Literal  = spec.Literal  // a path that is not empty and may hold any character
	URL      = spec.URL      // //[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH]
	HTTP     = spec.HTTP     // http: or https:, and then as URL
)

// Type is the type of a parameter's value.
type Type = spec.Type

// The types of parameters.
const (
	Text     = spec.Text     // any text, also an empty one
	Name     = spec.Name     // 1 to 63 letters, digits, dots, dashes and underscores
	File     = spec.File     // the path of a file
	Choice   = spec.Choice   // one of Param.Choices
	Bool     = spec.Bool     // true or false
	Integer  = spec.Integer  // a whole number
	Bytes    = spec.Bytes    // a number of bytes, with an optional suffix such as Ki or Mi
	Duration = spec.Duration // such as 500ms or 1h
	List     = spec.List     // texts separated by commas
)

// Kind is one way to describe members, chosen by the scheme of a value of --clusters.
type Kind struct {
	Form
	// Parse returns the provider that a value of this kind says. It reports every
	// mistake, opens nothing and connects to nothing.
	Parse func(v *Value, o ParseOptions) (Provider, error)
}

// Kinds returns the kinds of this package, in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{KubeconfigKind(), DirKind(), SecretsKind(), ClusterProfilesKind()}
}

// NewTable returns what reads and describes these kinds.
func NewTable(kinds []Kind) *Table {
	t := &Table{Family: "source of members"}
	for _, k := range kinds {
		t.Forms = append(t.Forms, k.Form)
	}
	return t
}
