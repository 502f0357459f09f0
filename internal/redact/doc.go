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
// several lines, so give Clean whole texts. Whoever disguises them in another way than
// base64, as part of a URL or as JSON in JSON shows them. JSON without credentials is
// JSON still.
package redact
