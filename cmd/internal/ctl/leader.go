package ctl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// followerError is the answer of a follower, which has nothing to be asked for.
type followerError struct {
	error
	leader api.Leader
}

// leaderLimit is how long it may take to find the leader.
const leaderLimit = 10 * time.Second

// adminOf returns the way to where the leader can be asked, from a follower. In Pods that
// is the same port of the leader's Pod.
func (w *way) adminOf(ctx context.Context, l api.Leader) (*way, error) {
	if w.pods != nil {
		return w.pods.next(ctx, w, l)
	}
	if w.url.Scheme == "https" {
		return nil, errors.New("it is not asked, since --admin is https, and its own address is not")
	}
	admin, err := adminOf(ctx, l)
	return &way{url: admin}, err
}

// pageOf is adminOf for pages that change nothing, which the leader also serves at the
// address that the lock names.
func (w *way) pageOf(ctx context.Context, l api.Leader) (*way, error) {
	if w.pods != nil {
		return w.pods.next(ctx, w, l)
	}
	if _, _, err := addressOf(l); err != nil {
		return nil, err
	}
	return &way{url: &url.URL{Scheme: "http", Host: l.Address}}, nil
}

// addressOf returns the host and the port that the lock names.
func addressOf(l api.Leader) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(l.Address); err == nil {
		err = api.CheckAddress(host, port)
	}
	if err != nil {
		return "", "", fmt.Errorf("it does not say where the leader is; run this command in %s", cmp.Or(hostOf(l.Host), "its Pod"))
	}
	return host, port, nil
}

// adminOf returns the URL of what the leader can be asked at, which its own page says.
// Only the host that the lock names is ever asked.
func adminOf(ctx context.Context, l api.Leader) (*url.URL, error) {
	host, _, err := addressOf(l)
	if err != nil {
		return nil, err
	}
	page := url.URL{Scheme: "http", Host: l.Address, Path: "/clusters"}
	ctx, cancel := context.WithTimeout(ctx, leaderLimit)
	defer cancel()
	is, err := electionAt(ctx, page.String())
	if err != nil {
		return nil, fmt.Errorf("ask the leader at %s where its admin address is: %w; run this command in %s", page.String(), err, cmp.Or(hostOf(l.Host), "its Pod"))
	}
	return adminBy(l, &is, host)
}

// adminBy is adminOf by what the page at that host says.
func adminBy(l api.Leader, is *api.Election, host string) (*url.URL, error) {
	if is.Role != "leader" || is.Identity != l.Identity {
		return nil, fmt.Errorf("at %s there is no %s that leads; try again", l.Address, Printable(l.Identity))
	}
	admin, err := netip.ParseAddrPort(is.AdminAddress)
	switch {
	case is.AdminAddress == "":
		return nil, fmt.Errorf("the leader at %s has no admin address; start it with --admin-bind-address", l.Address)
	case err != nil:
		return nil, fmt.Errorf("the leader at %s has the admin address %q, which is none", l.Address, Printable(is.AdminAddress))
	case admin.Addr().IsLoopback() && !isLoopback(host):
		return nil, fmt.Errorf("the leader takes commands on its own %s only; run this one in %s", admin, cmp.Or(hostOf(l.Host), host))
	case admin.Addr().IsLoopback():
		return &url.URL{Scheme: "http", Host: admin.String()}, nil // this machine's, as the lock names it
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, fmt.Sprint(admin.Port()))}, nil
}

// hostOf returns how to get to a host that is a Pod's name; a follower may say anything.
func hostOf(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s (kubectl exec %[1]s -- fairlead ...)", Printable(name))
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// electionAt returns what a page as /clusters says of the election, which comes first
// there: of the rest nothing is read.
func electionAt(ctx context.Context, page string) (s api.Election, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return s, err
	}
	resp, err := direct(nil).Do(req)
	if err != nil {
		return s, plain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("status %d", resp.StatusCode)
	}
	d := json.NewDecoder(io.LimitReader(resp.Body, mostAnswer))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return s, errors.New("what answers there is not fairlead")
	}
	if name, err := d.Token(); err != nil || name != "election" {
		return s, errors.New("it takes part in no election")
	}
	return s, d.Decode(&s)
}
