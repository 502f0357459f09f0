// Package endpoints sends requests to a service that several hosts offer over HTTP, of
// which some may be down or silent.
//
//	Do ── request ──▶ host 1 ✗
//	      the same ─▶ host 2 ──▶ answer      the next request goes to host 2 at once
//
// # Guarantees
//
//   - A request that must not be carried out twice reaches at most one host: the next
//     one is tried only while no connection could be made. So an error of it, other than
//     that, leaves open what has happened.
//   - Every other request is tried at each host, in a share of the time that it has.
//   - After a failure the next request begins at the next host.
//   - No redirect is followed, no proxy of the environment is used, nothing is answered
//     by a cookie. Answers are bounded.
//   - Connections have the files of credentials.TLS as they are when they are made, and
//     are verified for the name of their host.
//
// One goroutine uses a Client at a time. It starts none that outlives its requests but
// those of idle connections, which Close ends.
package endpoints
