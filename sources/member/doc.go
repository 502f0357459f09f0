// Package member has the words for one member of a fleet: its state, its connection at
// one moment, and the session that one dials with.
//
//	connection ── Link{State, Reason, Session} ──▶ caches, streams, your own clients
//
// # Usage
//
// A status of a member, such as sources.ConnectionStatus or cache.Status, holds a
// [State]. Compare it with the constants:
//
//	for _, s := range caches.Connections() {
//		if s.State != member.Live {
//			log.Info("A member cannot be reached", "cluster", s.Cluster, "state", s.State, "reason", s.Reason)
//		}
//	}
//
// Who brings a connection of his own to cache.Fleet.Follow implements cache.Connection,
// and describes the connection with a [Link] and a [Session].
//
// # What may run at once
//
// Values of these types are read-only once they were handed over. Any goroutine may
// read them.
package member
