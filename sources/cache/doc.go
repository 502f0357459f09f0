// Package cache keeps a controller-runtime cluster.Cluster for every member of
// a fleet, for reconcilers that read from and write to all of them.
//
//	            ┌──────────────────── Fleet ────────────────────┐
//	Follow(A) ─▶│ A: cluster.Cluster ─ informers ─┐             │
//	            │                    └ client ────┤ gate ═ conn │══▶ A's API server
//	Follow(B) ─▶│ B: cluster.Cluster ─ informers ─┤             │
//	            │                    └ client ────┤ gate ═ conn │══▶ B's API server
//	            └──────▲───────────────────────┬──┴─────────────┘
//	     Client, State │                       │ events, by member
//	                   └─── your reconciler ◀── queue ◀── Kind(fleet, obj, handler)
//
// All requests to a member go through its gate. While the member cannot be
// reached, requests of informers wait there, inside of the HTTP client, and
// calls fail at once with ErrClusterUnavailable. So an outage is one pending
// request to an informer: it costs no retries, no lines in the log, and no
// backoff that would outlast it. Once the connection is live again every watch
// goes on from the version it saw last. New credentials swap what is behind
// the gate; a watch that was cut ends as if the server had closed it. Another
// cluster under the same name, which the connection tells by its UID, makes
// every informer list anew, and handlers see what differs.
//
//	connecting ──▶ syncing ──▶ live ◀──▶ stale      reads wait for the first sync of what
//	    │             │          │         │        they need, up to CacheSyncTimeout; once
//	    └─────────────┴──────────┴─────────┴─▶      synced they are answered in every state,
//	              backing off, gone                 and Status.Age tells how old they may be
//
// # Usage
//
// sources.Caches embeds a [Fleet] and follows its members. A controller watches [Kind],
// and with [Members] what becomes of the members themselves:
//
//	err = c.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject))
//
// Its reconciler reads and writes with the client of the request's member:
//
//	member, err := caches.Client(req.Cluster)
//
// # Guarantees
//
//   - Members share nothing. One that is down, refuses lists, hangs or never
//     finishes its first list delays neither the start of a controller nor
//     events, reads or writes of another.
//   - A read or call for a member that is not reachable takes no worker's time.
//     What is under way when a member is given up ends then.
//   - After an outage, or with new credentials, only what has changed is told
//     to handlers, unless the server has forgotten the last version seen.
//   - A member that is restored from a backup is noticed when a watch is opened
//     again, unless it has passed the version seen last by then: its caches list
//     anew, and handlers see what differs.
//   - A watch that is silent for StaleAfter is cut and opened again, also when
//     probes of the server pass.
//   - After Follow has returned no goroutine of the member is left, and after
//     Purge no request for it in any queue of a source. Its memory is free then
//     but for about 75 kB of an HTTP/2 connection, which golang.org/x/net keeps for
//     30 seconds: whoever measures has to wait for that.
//
// # What may run at once
//
// All methods of Fleet may be called from any goroutine. Handlers of one
// member are called by one goroutine per source; those of different members at
// the same time.
//
// # What it does not do
//
// It does not make connections, know where members come from (package sources
// puts these together), or keep anything across a restart: the first list of
// every member is told again, with low priority. A cluster.Cluster of a member
// has no manager: its client and cache are ready to use, its config works for
// other clients over plain HTTP, not for exec and port forwarding.
package cache
