package sinks

import "github.com/fairlead-dev/fairlead/internal/spec"

// Form is how a text that chooses a kind is written, and what the kind is.
type Form = spec.Form

// Param describes one parameter of a kind.
type Param = spec.Param

// Value is a text that has been understood.
type Value = spec.Value

// Table is the description of several kinds.
type Table = spec.Table

// Rest is what stands between a scheme and the parameters.
type Rest = spec.Rest

// The forms of the rest.
const (
	// Required: a text that is not empty. It ends at the first question mark.
	Required = spec.Required
	// Optional: a text that may be empty. It ends at the first question mark.
	Optional = spec.Optional
	// Nothing: no text.
	Nothing = spec.Nothing
	// Literal: a path that is not empty and may hold any character, see [Rest].
	Literal = spec.Literal
	// URL: //[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH].
	URL = spec.URL
	// HTTP: http: or https:, and then as URL.
	HTTP = spec.HTTP
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
