// Command pppoectl brings PPPoE sessions up and keeps them up.
package main

func main() {}
