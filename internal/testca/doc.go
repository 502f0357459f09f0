// Package testca makes the certificates of test clusters: a certificate authority
// for each cluster, which signs what the server shows and what its clients show.
//
// A [CA] may be used from any goroutine. Nothing is written to disk, and nothing is
// ever renewed: certificates are valid for 30 days.
package testca
