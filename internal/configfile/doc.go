// Package configfile reads the values of flags from a YAML document.
//
// The document's keys are the flags' names in lower camel case:
//
//	apiVersion: fairlead.dev/v1alpha1
//	kind: Config
//	watches:
//	- pods
//	- resource: deployments.apps
//	  labelSelector: app=web
//	clusterQps: 50
//
// A value is what the flag's value would be. A flag that is repeatable is a list. Its items
// may be mappings where [Format.Items] says how a mapping is written as a value of the flag.
//
// # Usage
//
//	f := configfile.Format{APIVersion: "fairlead.dev/v1alpha1", Kind: "Config", Flags: flags}
//	d, err := f.Read(text)
//	if err == nil {
//		d.Apply(flags) // but for those that the command line has set
//	}
//
// # Guarantees
//
//   - Each key that no flag has is an error, with its line and the nearest name.
//   - Each error names its line. All errors of a document are reported at once.
//   - The work is bounded by the size of the document, which is at most [MaxSize] bytes:
//     anchors and aliases are refused.
//   - A flag that the command line has set keeps that value.
//
// # What may run at once
//
// A Format that nobody changes, and a Document, may be read by any number of goroutines.
//
// # What it does not do
//
// It does not know what a value means: the flag's own parser does.
package configfile
