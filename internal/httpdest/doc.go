// Package httpdest sends what a sink has to deliver to one URL, by POST, and holds the
// rules that all destinations of HTTP have in common.
//
//	Post ── body, headers of files ──▶ server ──▶ Answer{Status, Header, Body}
//	ParseURL, NewTransport, ReadHeaders ──▶ a sink's own requests ──▶ RetryAfter, Said
//
// # Guarantees
//
//   - No redirect is followed, because a POST could become a GET without its body, and
//     no cookie is kept. The proxy of the environment is used.
//   - Answers are bounded. One that is longer is cut, and its connection closed.
//   - A connection of HTTP/2 that has died silently is found within 30 seconds.
//   - Files with credentials are read again, at most once a second, and those of TLS at each
//     handshake. One that cannot be read does not take the place of what it has held, and
//     may come after New: until then each Post fails.
//   - Errors and texts of answers are shown without what such files hold.
//
// Any goroutine may use a Client. It starts none but those of connections.
package httpdest
