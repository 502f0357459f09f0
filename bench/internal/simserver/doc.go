// Package simserver simulates the API servers of many members in one process:
// enough of discovery, GET, LIST and WATCH for Fairlead, client-go's informers
// and controller-runtime's caches to follow generated objects.
//
//	https://127.0.0.1:PORT/members/NAME/api/v1/configmaps?watch=true&...
//	                       └ one member┘
//
// One listener on the loopback serves all members, told apart by the path, with
// TLS as a real one would. An object is never stored, only its version is: its
// bytes are made anew each time they are sent. So a thousand members with ten
// thousand objects each cost 24 bytes per object.
//
// What it does as a kube-apiserver does: streaming lists (sendInitialEvents and
// the bookmark that ends them), paged lists, bookmarks, metadata-only answers, a
// window of past events with 410 Expired for what is older, and cutting off
// watchers that read too slowly. What it does not: writes through the API,
// selectors, other encodings than JSON, admission, authentication (whoever
// reaches the loopback may read what is made up anyway), and its cost per event,
// which is far below a real one's.
//
// All methods may be called at any time by any number of goroutines.
package simserver
