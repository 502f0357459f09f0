package app

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// crossOrigin refuses what a browser sends for a page of another site.
var crossOrigin = http.NewCrossOriginProtection()

// fromHere refuses what a browser sends to the admin address for a web page that is not to. It is
// the one rule for all that is served there.
//
// Browsers say where a page comes from that has them ask for something (Origin, Sec-Fetch-Site).
// None has a reason to ask for what is there for programs, and a page on the internet must not. Of
// the status page, which a browser is to show, forms may be sent by its own pages only, and the
// rest may be asked for by these, and opened by a link or a typed address. Behind a proxy that
// changes Host, such as kubectl proxy, the pages of others may come from the same place: forms
// sent through it are refused.
//
// A page whose own name leads to this address (DNS rebinding) counts as ours to a browser, but its
// name stands in Host: there we take addresses, which no page can have made up, localhost, and name,
// by which the operator has called the address.
func fromHere(r *http.Request, ofPage bool, name string) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if ofPage && r.Method == http.MethodPost {
		if err := crossOrigin.Check(r); err != nil {
			return fmt.Errorf("orders from pages of other sites are refused, this one from %q with Sec-Fetch-Site %q", origin, site)
		}
		if u, err := url.Parse(origin); origin != "" && (err != nil || !strings.EqualFold(u.Host, r.Host)) {
			return fmt.Errorf("orders from pages of other addresses are refused, this one from %q, and the address is %q: "+
				"open the page without a proxy, for instance with kubectl port-forward", origin, r.Host)
		}
	} else {
		ours := ofPage && (site == "same-origin" || r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document")
		switch {
		case origin != "":
			return fmt.Errorf("requests from web pages are refused, this one from %q", origin)
		case site != "" && site != "none" && !ours:
			return fmt.Errorf("requests from web pages are refused, this one with Sec-Fetch-Site %q", site)
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !strings.EqualFold(host, "localhost") && net.ParseIP(strings.Trim(host, "[]")) == nil && (name == "" || !strings.EqualFold(host, name)) {
		return fmt.Errorf("requests to the name %q are refused, since a web page may have made it up; "+
			"ask an IP address or localhost, or send the header Host: localhost", host)
	}
	return nil
}

// nameIn returns the name of the host in an address to listen on; empty if there is none.
func nameIn(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || net.ParseIP(host) != nil {
		return ""
	}
	return host
}
