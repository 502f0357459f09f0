// Package apiclient makes clients of one Kubernetes API server whose connections belong
// to who made them.
//
//	kubeconfig ── Context ──▶ rest.Config ── New ──▶ Client: HTTP, Base
//	in a Pod ──── InPod ─────▶
//
// A [Caller] makes requests to the hub with such a client: bounded in rate, number, time
// and answers, and with a new client when the configuration may have changed.
//
// client-go caches transports, shares them and keeps them for ever. These are neither
// shared nor kept: what is not used any more is closed by [Client.CloseIdle]. They speak
// HTTP/1.1: over HTTP/2 a request that is tried again would go out on the connection
// that does not answer.
//
// Errors show neither credentials nor what a server has sent, because that may be what it
// was sent. Redirects are not followed. Everything may be called concurrently.
package apiclient
