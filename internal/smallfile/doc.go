// Package smallfile reads files that an operator names and that are small: credentials,
// certificates, configuration.
//
// # Usage
//
//	text, err := smallfile.Read("/etc/fairlead/config.yaml", 1<<20)
//
// # Guarantees
//
//   - It reads at most the given number of bytes and one more.
//   - It reads regular files only, and links to them. It does not wait for who writes to
//     a pipe, and a device may have no end.
//   - Its errors name the file, and nothing that is in it.
//
// # What may run at once
//
// Any number of calls.
package smallfile
