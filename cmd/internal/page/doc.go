// Package page is the status page of a running program: how everything stands, for people
// with a browser, and as JSON for those who ask for it.
//
//	                    ┌ snapshot, at most one a second ┐
//	api.Status ──▶ keeper                               ├──▶ view ──▶ HTML, JSON or events
//	stage.Delivery ──▶ └ rings of the last 15 minutes ──┘              (by the header Accept)
//
//	/                        leads to /status
//	/status                  leader, ledger, routes, totals, and what is wrong
//	/status/clusters         the table: ?filter= &sort= &page= &per=
//	/status/clusters/NAME    streams, lane, limits, transitions; /status/cluster?name= for . and ..
//	/status/routes/NAME      what a sink answers, and what waits for it
//	/status/object           why one object is where it is
//	/status/assets/          the style sheet and the script
//	/status/order            POST only, and of Acting only: the buttons of the pages above
//
// Guarantees:
//
//   - Pages show nothing of objects but names. Those of Handler change nothing: they have no
//     buttons that do anything to the program. Those of Acting have, for what commands do as well:
//     plain forms, of at most 16 KiB, whose answer leads back to the page, which shows the state
//     after it, and says for ten minutes what came of it. That answer waits for no other page. It
//     says that nothing was ordered only if that is certain. Before something is delivered again, a page says how much that is.
//   - Texts of members, sinks and locks are shown as text: escaped, on one line, bounded,
//     with what cannot be seen as escapes. The Content-Security-Policy allows no script and
//     no style but those of the program.
//   - Pages work without JavaScript. With it they follow: the server sends the page's
//     content again, to at most 64 readers. A reader that is slow misses some; who has gone
//     is noticed with the next write. Streams end when Run does.
//   - Four pages are made and compressed at once. A reader that does not read its own holds
//     up no other, nor does an explanation that takes its time.
//   - Snapshots are shared by all who ask. They and the pages of those who follow take at
//     most about a fiftieth of one core: what costs more is made more seldom. So do the
//     looks of Run, every ten seconds or less often.
//   - Memory does not grow with time: about a kilobyte for each cluster, and at most
//     50 transitions for each, of 50,000 for all.
//
// Handler, Observe and the functions of Options may be called by many goroutines at once.
//
// Whoever reaches the address may read it: as with /clusters, that is for the network to
// say. Who reaches the address of Acting may give orders, and the caller of Acting keeps
// browsers from sending what other sites want.
package page
