package pipeline

import "errors"

// Errors that Offer returns, alone or wrapped.
var (
	// ErrClusterRemoved says that the item's cluster is being removed from the
	// queue, or was while the Offer was blocked. What is offered once
	// RemoveCluster has returned makes a new lane: see QueueOptions.Known.
	ErrClusterRemoved = errors.New("cluster removed from the queue")
	// ErrShuttingDown says that the queue takes nothing any more.
	ErrShuttingDown = errors.New("queue is shutting down")
)
