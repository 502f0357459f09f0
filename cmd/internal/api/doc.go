// Package api has what the servers of a running program answer, as JSON: the page
// /clusters, and the admin address. The program writes it, and the commands that ask it
// read it.
package api
