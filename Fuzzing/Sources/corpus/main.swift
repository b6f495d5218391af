import FuzzTargets

// corpus write    makes all seeds anew, and the live group with them
// corpus replay   runs every input of the corpus, without libFuzzer
switch CommandLine.arguments.dropFirst().first {
case "write":
  print("\(try Corpus.writeSeeds()) seeds written")
case "replay":
  for target in FuzzTarget.allCases {
    let inputs = try Corpus.inputs(of: target)
    for input in inputs {
      do {
        try target.check(input.bytes)
      } catch {
        fatalError("\(target.rawValue)/\(input.name): \(error)")
      }
    }
    print("\(target.rawValue): \(inputs.count) inputs hold")
  }
default:
  print("usage: corpus write | corpus replay")
}
