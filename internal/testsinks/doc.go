// Package testsinks starts the servers that sinks are tested on, and that take minutes to
// build.
//
//	StartVersityGW ── $FAIRLEAD_VERSITYGW, or a build ──▶ S3, on a folder
//	StartOtelcol ──── $FAIRLEAD_OTELCOL, or a build ────▶ OTLP over HTTP, to a file
//
// They are built from embedded modules into the user's cache, by internal/testsinks/cmd,
// which make calls. Where there is no program, tests that need it are skipped with one line
// that says how to get it; with RequireEnv set they fail. The programs are part of nothing
// that is shipped.
//
// A server ends with the test. The functions may be called concurrently.
package testsinks
