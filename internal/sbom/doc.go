// Package sbom tells what a program is made of, as an SPDX 2.3 document in JSON.
//
//	program ── build information ──▶ modules, versions, Go ─┐
//	internal/notices ─────────────▶ their licences ─────────┴▶ SPDX document
//
// What is linked is read from the program itself (debug/buildinfo), so that the document
// cannot differ from what is shipped. A module whose licence is not known is an error. Equal
// programs have equal documents: the time is given, and nothing depends on the machine.
//
// It does not look for vulnerabilities, and tells of modules, not of files in them:
// internal/notices has the texts of those that have licences of their own.
//
// internal/sbom/cmd writes one, for the image and for `make sbom`. The functions may be
// called concurrently.
package sbom
