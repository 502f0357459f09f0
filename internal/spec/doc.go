// Package spec reads values that choose a kind by name, such as those of --sink
// and --ledger, and describes the kinds for help and documentation.
//
//	SCHEME:REST[?NAME=VALUE[&NAME=VALUE...]]
//	SCHEME://[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH][?NAME=VALUE...]
//	SCHEME:http[s]://[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH][?NAME=VALUE...]
//
//	flag's text ── Table.Parse ──▶ Value ── Parse of the kind ──▶ what to open
//	                   │
//	  Form of each kind┘── Help, Markdown ──▶ --help, docs
//
// A family of kinds (sinks, ledger stores, locks, sources of members) is a
// [Table] of a [Form] each. Table.Parse guarantees:
//
//   - The error joins every mistake of the text, each with what to write instead.
//   - An unknown scheme or parameter is told with the nearest known names.
//   - No error shows a credential. A password in the text is refused with the name
//     of the parameter to use instead.
//   - Parse connects to nothing and opens nothing. It never panics, and its time and
//     memory are bounded by the length of the text, of which there is a maximum.
//
// Names and values of parameters are percent-decoded; a plus sign is itself. Where
// REST is literal, it is taken as it stands, see [Literal].
//
// Public packages re-export what their users need as type aliases. A Table and a
// Value are read only, and safe for concurrent use.
package spec
