// Package apistatus says what the answer of a Kubernetes API server means, or of
// something that stands in front of one.
//
//	http.Response ──▶ Error ──▶ error of client-go ──▶ Of ──▶ Answer: Meaning, Code, RetryAfter
//
// It is the one table of what answers mean. A connection asks it whether a member is
// well, a stream what to do next, a cache whether to wait. What each of them calls a
// meaning, and does about it, is theirs; so are questions about the code of one request,
// such as whether an object was not found, and what a proxy answers to CONNECT.
//
// Everything that it is given may be hostile: what it returns is bounded. All may be
// called concurrently.
package apistatus
