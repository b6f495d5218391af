import CryptoSuite
import SottoProtocol
import Testing

@Suite struct LinkTests {
  let random = SeededRandom(seed: 1)

  var server: ServerAddress {
    get throws { try #require(ServerAddress(host: "chat.example.org", port: 8443, serverKey: .random(using: random))) }
  }

  @Test func `a registration link reads back as it was made`() throws {
    let link = RegistrationLink(server: try server, voucher: .random(using: random))
    #expect(try RegistrationLink(link.text) == link)
    #expect(link.text.hasPrefix("sotto://chat.example.org:8443/r#"))
  }

  @Test func `an invitation link reads back with the same secrets`() throws {
    let link = InvitationLink(
      server: try server, voucher: .random(using: random), secrets: InvitationSecrets(seed: Secret(random.bytes(32))))
    let read = try InvitationLink(link.text)
    #expect(read.server == link.server)
    #expect(read.voucher == link.voucher)
    #expect(read.secrets.seed == link.secrets.seed)
    #expect(read.secrets.capability == link.secrets.capability)
  }

  @Test func `an address of IPv6 stands in brackets and reads back`() throws {
    let address = try #require(ServerAddress(host: "::1", port: 1, serverKey: .random(using: random)))
    let link = RegistrationLink(server: address, voucher: .random(using: random))
    #expect(link.text.contains("[::1]:1/"))
    #expect(try RegistrationLink(link.text) == link)
  }

  @Test func `no change of one character of the secret part goes unnoticed`() throws {
    let text = RegistrationLink(server: try server, voucher: .random(using: random)).text
    let start = try #require(text.firstIndex(of: "#"))
    for index in text[start...].indices.dropFirst() {
      for replacement: Character in ["A", "z", "-", "%"] where text[index] != replacement {
        var changed = text
        changed.replaceSubrange(index...index, with: [replacement])
        #expect(throws: LinkError.self) { try RegistrationLink(changed) }
      }
      #expect(throws: LinkError.damaged) { try RegistrationLink(String(text[..<index])) }
    }
  }

  @Test func `each mistake has its own error`() throws {
    let registration = RegistrationLink(server: try server, voucher: .random(using: random)).text
    #expect(throws: LinkError.wrongKind) { try InvitationLink(registration) }
    #expect(throws: LinkError.notALink) { try RegistrationLink("https://example.org/") }
    #expect(throws: LinkError.damaged) { try RegistrationLink("sotto://example.org:1/r") }
    #expect(throws: LinkError.badAddress) { try RegistrationLink(registration.replacing(":8443", with: ":0")) }
    #expect(throws: LinkError.badAddress) { try RegistrationLink(registration.replacing(":8443", with: "")) }
    #expect(throws: LinkError.badAddress) { try RegistrationLink(registration.replacing("chat", with: "ch at")) }
  }

  @Test func `the derived secrets differ from each other and from the seed`() {
    let secrets = InvitationSecrets(seed: Secret(random.bytes(32)))
    let all = [
      secrets.seed.exposedBytes, secrets.capability.bytes, secrets.bundleKey.exposedBytes, secrets.locatorKey.exposedBytes,
      secrets.psk.exposedBytes,
    ]
    #expect(Set(all).count == all.count)
    #expect(secrets.pskID.count == 16)
  }

  @Test func `base64url refuses stray characters, lengths and bits`() {
    for count in 0..<40 {
      let bytes = random.bytes(count)
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
    }
    for text in ["A", "AB=", "A+BC", "AA/A", "AB", "AAB"] { #expect(Base64URL.decode(text) == nil) }
  }
}
