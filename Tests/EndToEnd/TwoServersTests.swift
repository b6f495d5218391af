import Testing

extension EndToEndTests {
  @Test func `people of different servers meet at one of them, and servers never talk to each other`() throws {
    let scratch = try Scratch()
    let (north, south) = (try ServerProcess(in: scratch, named: "north"), try ServerProcess(in: scratch, named: "south"))
    let (alice, bob) = (try Person("Alice", at: north, in: scratch), try Person("Bob", at: south, in: scratch))

    // The invitation brings what registers a mailbox at Alice's server.
    try alice.meet(bob)
    try alice.run("send", "Bob", "welcome to the north")
    try bob.run("sync")
    try bob.run("send", "Alice", "a long way")
    try alice.run("sync")
    let talk = ["Alice: welcome to the north", "Bob: a long way"]
    #expect(try alice.texts("Bob") == talk)
    #expect(try bob.texts("Alice") == talk)

    // Bob's groups live at his own server, where Alice gets a mailbox by accepting.
    try bob.run("group", "create", "Southerners", "Alice")
    try alice.run("sync")
    try alice.run("accept", "Southerners")
    try bob.run("sync")
    try alice.run("sync")
    try alice.run("send", "Southerners", "from the north")
    try bob.run("sync")
    #expect(try bob.texts("Southerners") == ["Alice: from the north"])

    // With the north gone, the south goes on.
    #expect(north.stop()?.status == 0)
    try bob.run("send", "Southerners", "still here")
    let partly = try alice.attempt(["sync"])
    #expect(partly.status == 69, "\(partly.errors)")
    #expect(try alice.texts("Southerners") == ["Alice: from the north", "Bob: still here"])
  }
}
