// Package selection decides which changes are delivered, and in which form. Rules are
// texts that a user writes; they are checked and compiled once, and then applied to the
// JSON of each object.
//
//	Texts ──Parse──▶ Rules ──Merge──▶ Rules ──For(resource, cluster)──▶ Program
//	                                                                     │
//	                        Match: is the object selected? ◀─────────────┤
//	                        Digest: has anything that counts changed? ◀──┤
//	                        AppendShaped: what of it is delivered ◀──────┘
//
// # Usage
//
// The rules of all routes and those of one sink hold together:
//
//	all, err := selection.Parse(selection.Texts{Where: []string{"pods: object.metadata.namespace != 'kube-system'"}}, selection.ParseOptions{})
//	own, err := selection.Parse(selection.Texts{Changed: []string{"pods: spec,status.phase"}}, selection.ParseOptions{})
//	program := selection.Merge(all, own).For(resource, cluster)
//	selected, err := program.Match(selection.Object{JSON: object, Op: selection.Updated})
//
// A nil Program selects everything, as it is.
//
// # Expressions
//
// A where text is an expression in CEL with the function libraries of Kubernetes. Its
// variables are
//
//	object   the object, without metadata.managedFields and with apiVersion and kind
//	cluster  its cluster: name, uid, labels
//	change   how its state came: op ('added', 'updated', 'deleted'), snapshot
//
// There is no clock, so that the same object is always selected or never. An expression
// that fails on an object, because a field is not there for example, selects it, and
// Match returns an error: nothing is lost by a mistake. An evaluation that costs more
// than CostLimit fails. Functions whose time grows with the product of two lengths
// (matches, find, findAll, replace, join, indexOf, lastIndexOf) take literals only, and
// what CEL has for sets is left out.
//
// Expressions are evaluated on the bytes of the object. A value is made of what is asked
// for, and a field that is compared with texts is compared where it stands.
//
// # Fields
//
// Changed, Unchanged, Drop, Redact and Only name fields by paths in the simple form of
// kubectl's JSONPath, such as status.conditions[?type=Ready].status. All of them are one
// walk over the bytes of the object, without decoding it. It allocates nothing. What is
// delivered, and what digests are made of, stands as the API server wrote it.
//
// # What may run at once
//
// Everything may be called concurrently. Nothing here starts a goroutine.
package selection
