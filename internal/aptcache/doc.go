// Package aptcache gets programs that tests need from the packages of Debian and its like
// into a cache, without installing anything.
//
//	apt-get ──▶ archives ──▶ dpkg-deb ──▶ <cache>/fairlead/<kind>/<system>/<name>
//
// Guarantees:
//
//   - Nothing is installed into the system. A package manager's lists and archives lie in
//     the cache too, so that no rights are needed.
//   - A folder has its final name only when it is whole. Of several processes that want it
//     at once one fetches and the others wait.
//
// The cache is the user's. That of root is /var/cache, since nobody else can read root's
// own. It is by system and release, as libraries of another one do not fit: to have newer
// programs, remove it.
package aptcache
