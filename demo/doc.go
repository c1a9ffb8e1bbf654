// Package demo shows pppoectl on a Flets line in a box, with nothing but root:
// network, mount and process namespaces that are gone with the process, however it
// ends. It runs as three processes of the same program:
//
//	Run    starts the stage in new namespaces, and kills it when it has to end
//	Stage  is process 1 there: the router, with the daemon; it tells the story
//	Line   is the other end of the cable, in a network namespace of its own
package demo
