#if os(Linux)
  import Testing
  import WireFormat

  @testable import CryptoSuite
  @testable import MLS

  /// Secrets are gone from the memory of the process once they were used (RFC 9420 §9.2, §16.6).
  ///
  /// In a process of its own, for other tests that run beside would keep secrets of theirs on the same stacks.
  struct SpentSecretsTests {
    @Test func `spent secrets are nowhere in memory: X25519`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128X25519AES128SHA256Ed25519) }
    }

    @Test func `spent secrets are nowhere in memory: X-Wing`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.sottoXWing) }
    }

    @Test func `spent secrets are nowhere in memory: P-256`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128P256AES128SHA256P256) }
    }

    @Test func `spent secrets are nowhere in memory: ChaCha20`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128X25519ChaCha20SHA256Ed25519) }
    }

    @Test func `a cipher's key is gone whatever is freed beside it`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.checkCiphers() }
    }

    /// The context of a cipher is overwritten by asking the allocator for its block, and texts of all lengths have blocks of the
    /// same size among theirs, or fill the allocator's cache of them.
    private static func checkCiphers() throws {
      for algorithm in [AEADAlgorithm.aes128GCM, .aes256GCM, .chaCha20Poly1305] {
        var record = SecretRecord()
        for byteCount in 448..<640 { try useKeys(of: algorithm, byteCount, &record) }
        // Vector registers still hold a key, and the dynamic linker saves them on the stack at the first call of a function.
        let other = Secret.zeros(algorithm.keyByteCount)
        _ = try algorithm.seal([UInt8](repeating: 0, count: 4096), key: other, nonce: .zeros(algorithm.nonceByteCount), aad: [])
        eraseStack()
        let found = record.scan()
        #expect(!record.isEmpty && found.isEmpty, "\(algorithm): \(found)")
      }
    }

    /// Seals and opens, each under a key of its own.
    @inline(never)
    private static func useKeys(of algorithm: AEADAlgorithm, _ byteCount: Int, _ record: inout SecretRecord) throws {
      let (sealing, opening) = (Secret(randomByteCount: algorithm.keyByteCount), Secret(randomByteCount: algorithm.keyByteCount))
      let nonce = Secret.zeros(algorithm.nonceByteCount)
      record.note("key that sealed \(byteCount) bytes", sealing)
      record.note("key that opened \(byteCount) bytes", opening)
      let text = [UInt8](repeating: 7, count: byteCount)
      _ = try algorithm.seal(text, key: sealing, nonce: nonce, aad: [])
      let sealed = try algorithm.seal(text, key: opening, nonce: nonce, aad: [])
      #expect(try algorithm.open(sealed, key: opening, nonce: nonce, aad: []) == text)
    }

    /// Lives four lives, and up to eight until it is clear what comes back.
    ///
    /// A register that is saved at the wrong moment, or a block that the allocator gives to somebody else first, can keep a
    /// piece of a secret in one life and of another secret in the next. What the code leaves behind is of the same kind each
    /// time, also where it depends on chance: no kind may be left by every second life.
    private static func check(_ suite: CipherSuite) throws {
      var lifeCounts: [String: Int] = [:]
      var remains: [String] = []
      var count = 0
      while count < 4 || count < 8 && lifeCounts.values.contains(where: { $0 > 1 }) {
        let found = try remainsOfALife(suite)
        count += 1
        for kind in Set(found.map(\.kind)) { lifeCounts[kind, default: 0] += 1 }
        remains += found.map { "  life \(count), \($0)" }
      }
      if !remains.isEmpty { print("\(suite), \(count) lives:\n\(remains.joined(separator: "\n"))") }
      let kinds = lifeCounts.filter { 2 * $0.value >= count }
      #expect(kinds.isEmpty, "left by every second of \(count) lives:\n\(remains.joined(separator: "\n"))")
    }

    /// Something that a life left behind.
    private struct Remains: CustomStringConvertible {
      let moment: String
      let finding: Finding

      /// HMAC's forms of a secret are of its kind.
      var kind: String { String(finding.name.prefix { $0 != "," }) }
      var description: String { "\(moment): \(finding)" }
    }

    private static func remainsOfALife(_ suite: CipherSuite) throws -> [Remains] {
      var life = try SecretsOfALife(suite)
      try life.run()
      // The processor's vector registers still hold a key, and whoever saves them would copy it.
      _ = try suite.aead.seal(
        [UInt8](repeating: 0, count: 4096), key: .zeros(suite.aead.keyByteCount), nonce: .zeros(suite.aead.nonceByteCount), aad: [])
      var live = SecretRecord()
      try onAnotherStack {
        for member in life.members { live.note(member.group, member.client) }
        for member in life.partial { live.note(member.group, member.client) }
      }
      let spent = life.notes.record.subtracting(live)
      #expect(!live.isEmpty && !spent.isEmpty)
      let (forgotten, copy) = forget()

      let found = withExtendedLifetime(copy) {
        spent.adding(live, as: "in use").adding(forgotten, as: "copied").scan()
      }
      // The scan can find something: what is in use, and a copy that was forgotten.
      let names = Set(found.map(\.name))
      for name in [
        "in use: init secret", "in use: exporter secret", "in use: application ratchet", "in use: leaf or node key",
        "in use: signature key", "copied: forgotten",
      ] { #expect(names.contains(name), "\(name) was not found") }
      let whileInUse = found.filter { !$0.name.contains(":") }

      life.members = []
      life.partial = []
      let afterwards = life.notes.record.scan()
      return whileInUse.map { Remains(moment: "while the group is in use", finding: $0) }
        + afterwards.map { Remains(moment: "after the group is gone", finding: $0) }
    }

    private static func forget() -> (SecretRecord, [UInt8]) {
      let secret = Secret(randomByteCount: 32)
      var record = SecretRecord()
      record.note("forgotten", secret)
      return (record, secret.exposedBytes)
    }
  }
#endif
