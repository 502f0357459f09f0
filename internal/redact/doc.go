// Package redact makes texts fit to be shown in statuses, logs and errors: without
// credentials, on one line, and no longer than they may be.
//
//	text ──▶ Redactor.Clean ──▶ Line ──▶ Cut
//
// What is shown of a member's answers, a plugin's output or a description may hold
// whatever somebody put there, also credentials that were sent to it. Everything may
// be called concurrently.
//
// It finds credentials that it was told of, and some by their looks; a private key has
// several lines, and so has a value of YAML, so give Clean and CleanAll whole texts. Of
// what has a secret's name, CleanAll takes all: lists, objects, and lines that are
// indented. Whoever disguises credentials in another way than base64, as part of a URL
// or as JSON or YAML in JSON shows them; so does whoever calls the name a value and the
// value another one, as {"name": "password", "value": "..."} does. JSON without
// credentials is JSON still.
package redact
