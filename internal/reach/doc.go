// Package reach says what an operator can do about a server that cannot be reached.
//
//	dial, TLS ── error ──▶ Advice ──▶ "nothing listens there: check host and port, ..."
//
// # Usage
//
//	if advice := reach.Advice(err); advice != "" {
//		err = fmt.Errorf("%w; %s", err, advice)
//	}
//
// # Guarantees
//
//   - The advice is one line of this package's own words: nothing of the error, and so no
//     credential, is in it.
//   - What has another cause than the way to the server has no advice.
//
// # What may run at once
//
// Any number of calls.
package reach
