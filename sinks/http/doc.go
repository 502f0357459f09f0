// Package httpsink sends changes to whatever takes requests of HTTP: receivers of
// CloudEvents, stores of logs and documents, webhooks.
//
//	batch ─┬─ a request for each change ──▶ up to N connections, one object in order ─┬─▶ server
//	       └─ one request for all ────────▶ one connection ──────────────────────────┘     │
//	accepted, refused for good, later, or try again ◀── status, Retry-After, answer ───────┘
//
// # Guarantees
//
//   - A change counts as accepted when the server has answered with a status 2xx, and
//     the answer, where the format has one, says so for that change.
//   - Of the changes of one object, no request begins before the one before was answered.
//     A request that was broken off, or took too long, may still be carried out after the
//     next one: receivers tell by term and sequence which change is later.
//   - Changes may come again. They have the same id then, and the same webhook-id if the
//     same changes are sent together.
//   - A status that says "configuration" (401, 403, 404, a redirect) refuses nothing for
//     good. What does is in Options.Permanent, for requests and for results of single
//     changes. A request with several changes that is refused for good is split.
//   - A write tells of the destination unless the server has settled something of it:
//     accepted, or refused for good. A change that the server fails on alone, while it
//     settles others, is refused by itself, and for now. What is left over by a failure in
//     the middle is an outage ([pipeline.Outage]). See round.go.
//   - An answer that says how the server is set up refuses nothing for good, where the format
//     tells it from others (Splunk, VictoriaLogs, Slack, ClickHouse) and Options.Permanent is
//     not given.
//   - Check changes nothing in the destination: it sends what each product is known to have no
//     record to make of, or asks by what only reads, and sends other receivers nothing but
//     OPTIONS. See check.go.
//   - A Retry-After is obeyed by all writes.
//   - Redirects are not followed.
//   - Files with credentials are read again within a second. What they hold is in no
//     error. A file that cannot be read does not take the place of what it has held; it is
//     logged, and told with what the server makes of that.
//   - An answer is read up to 64 KiB, one with results for each change 1 KiB more for each. Of an
//     answer to a request with a Secret no error shows anything.
//
// # What it trusts
//
// The server's answers, as far as they say what was accepted. The template, which the
// operator writes: it may take any time.
//
// # Usage
//
//	sink, err := httpsink.New(httpsink.Options{URL: "https://events.example.com/in", TokenFile: "/etc/fairlead/token"})
//	...
//	err = sink.Write(ctx, batch)
//
// [Kind] and [SecureKind] make it a sink that a text chooses.
//
// # What may run at once
//
// As many calls of Write as there are connections, never two with a change of the same
// object; Check and Close at any time. The proxy is that of the environment (HTTPS_PROXY,
// NO_PROXY).
package httpsink
