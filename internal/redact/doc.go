// Package redact makes texts fit to be shown in statuses, logs and errors: without
// credentials, on one line, and no longer than they may be.
//
//	text ──▶ Redactor.Clean ──▶ Line ──▶ Cut
//
// What is shown of a member's answers, a plugin's output or a description may hold
// whatever somebody put there, also credentials that were sent to it. Everything may
// be called concurrently.
//
// It finds credentials that it was told of, and some by their looks. Of what has a
// secret's name (names.go), CleanAll takes all: lists, objects, lines that are indented,
// the value of a flag, and the value of an object that has the name. A private key has
// several lines, and so has a value of YAML, so give Clean and CleanAll whole texts. JSON
// stays JSON. The time is in proportion to the length of a text, some seconds of a core for
// 8 MiB of a log.
//
// These are shown all the same: what is disguised in another way than base64, as part of a
// URL, or as JSON or YAML in JSON; a password in prose ("the password is ..."), of which
// after a colon only the first word is left out; values of less than four bytes without
// quotes; what is behind a double quote in a value in single quotes; and in YAML a value that
// is before its name. On the other hand one word of a message is lost where it comes after a
// secret's name and a colon ("token: expired").
package redact
