// Package fleet knows which clusters exist: it reads kubeconfig files and objects
// of the hub, follows them while the program runs, and tells one Handler about
// every cluster that joins, changes or leaves.
//
//	--clusters values ── Parse ──▶ providers, one Kind for each scheme
//	                                  │ every PollInterval: read, hash, and
//	  kubeconfig:PATH ─ contexts ─────┤ believe what two polls agree on
//	  dir:PATH ─ one file, one cluster┤
//	  (none) ─ as kubectl finds it ───┤
//	  --include-hub ─ the hub itself ─┤
//	                                  │ at once: list, watch, wake
//	  secrets:NAMESPACE ─ one each ───┤
//	  clusterprofiles:NAMESPACE ──────┘
//	                                  ▼
//	                          one owner per name ──▶ Handler.Set, Handler.Remove
//	                                  └────────────▶ Problems, metrics, log, Events
//
// # Guarantees
//
//   - What is wrong with one file or context harms that cluster only, and a
//     cluster that was described well once keeps its last good description
//     while its file is broken, half written or unreadable.
//   - Files are compared by content, not by time stamp or file system event:
//     the updates of mounted Secrets and of network file systems, which inotify
//     misses, are seen, and so are rotated certificates that a kubeconfig names.
//   - A change, and a file or context that is gone, counts once two polls in a
//     row read the same, because editors and copies replace files piece by
//     piece. What the first poll finds counts at once. So a change takes effect
//     one to two poll intervals after it is complete.
//   - A name has one owner. Who has it keeps it; another description of the
//     same name is a problem until the owner leaves, and then takes over. Of those
//     that come at once, an object's own name goes before one that an annotation
//     or Argo CD's data gives.
//   - A name that was described by an object of the hub which is gone is kept for
//     that object for NameHold; only a file gets it before.
//   - Set is called only when something that matters to a connection, a limit, or a
//     label changed.
//   - What the hub says counts at once. While the hub does not answer, or does not
//     allow to be read, the clusters known so far stay.
//   - A kubeconfig from the hub's API may carry no command, no file path, no
//     unverified and no unencrypted connection: each is refused with an error that
//     names the field. The commands that get credentials for ClusterProfiles are
//     the operator's, in a file.
//   - What is wrong with an object of the hub is told in an Event on it: at most
//     one a second after a burst, repetitions counted, and what is dropped too.
//   - Errors and logs name files, contexts and fields, never their secrets: the
//     messages of the YAML and kubeconfig decoders quote what they read, so
//     they are not passed on.
//
// # Usage
//
// A place that describes clusters in another way is a [Provider] of one's own. Its
// scanner returns what is described now; [NewMember] makes a member of a kubeconfig
// that anybody may have written. The fleet checks names and members of every
// provider, and the suite in fleettest checks the rest:
//
//	fleet.New(fleet.Options{Providers: []fleet.Provider{inventory}, Handler: handler})
//
// A [Kind] makes it one that a value of --clusters can name, see ParseOptions.Kinds.
//
// # What may run at once
//
// Run, Check, Problems and the metrics are safe for concurrent use. The Handler
// is called by the goroutine of Run alone.
//
// # What it does not do
//
// It opens no connection and runs no credential plugin: whether a cluster
// answers is for sources/connection to find out. The only connections it opens
// are to the hub, and only if a provider reads it. It does not limit what
// kubeconfig files may contain, because whoever can write these files can already
// run commands as Fairlead's user. It does not limit which addresses a Secret may
// name: it lends them no credentials, so that is for a NetworkPolicy. Whether two
// objects of the hub claim one name is not known to Check, which reads files only.
package fleet
